"""A run in a notebook: scored, decided, read; on the run that the other tests look at."""

from __future__ import annotations

import pyarrow as pa
import pytest

import raysep
from raysep.corpus import storage
from raysep.errors import BadInput
from raysep.rundir import Run


def test_a_finished_run_gives_its_tables(finished):
    run = raysep.read(finished.root)
    for name in ("stems", "decision", "cleaned", "results", "failed"):
        table = getattr(run, name)
        assert isinstance(table, pa.Table)
        assert table == finished.read_table(f"{name}.parquet")
        assert list(table.to_pandas().columns) == table.column_names
    assert run.segments.num_rows > run.stems.num_rows
    assert run.summary == finished.read_json("summary.json")
    assert storage.exists(run.report)


def test_deciding_again_gives_the_decision_of_the_run(finished, tmp_path):
    table = raysep.decide(raysep.read(finished.root), tmp_path / "again.parquet")
    assert table == finished.read_table("decision.parquet")
    assert storage.read_table(str(tmp_path / "again.parquet")) == table


def test_deciding_again_takes_another_rule(finished):
    kept = {ratio: raysep.decide(finished.root, rule="ratio", ratio=ratio)["keep"].to_pylist() for ratio in (0.0, 0.5)}
    assert all(kept[0.0])
    assert 0 < kept[0.5].count(False) < len(kept[0.5])
    with pytest.raises(BadInput, match=r"decision\.rule = 'dice'"):
        raysep.decide(finished.root, rule="dice")


@pytest.mark.train
def test_from_scores_to_a_decision_to_a_cleaning(finished, corpora, ray_runtime, tmp_path):
    """Scoring leaves what deciding needs, and cleaning goes on from it without a second pass or another decision."""
    without = ("stems.parquet", "decision.parquet", "cleaned.parquet", "summary.json", "done/decide")
    for info in storage.list_files(finished.root):
        name = info.path[len(finished.root) + 1 :]
        if not name.startswith((*without, "training/", "search/")):
            storage.write_bytes(str(tmp_path / "run" / name), storage.read_bytes(info.path))
    before = Run(str(tmp_path / "run")).read_json("run.json")["stages"]
    places = (corpora.corpus, corpora.reference, tmp_path / "run")
    scores = raysep.score(*places, test=corpora.test, preset="smallest", quiet=True)
    assert scores.stems == finished.read_table("stems.parquet")
    assert not scores.run.has("decision.parquet")
    assert raysep.decide(scores) == finished.read_table("decision.parquet")
    cleaning = raysep.clean(*places, test=corpora.test, preset="smallest", search=True, quiet=True)
    assert cleaning.decision == finished.read_table("decision.parquet")
    after = cleaning.run.read_json("run.json")["stages"]
    assert {name: stage for name, stage in after.items() if name != "decide"} == {
        name: stage for name, stage in before.items() if name != "decide"
    }
