"""The same songs in every layout, found as the same stems, and through the whole cleaning as they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysep import pipeline
from raysep.config import LABELS
from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.corpus.reading import read_stem
from tests.layout_trees import TREES


@pytest.mark.parametrize("name", TREES)
def test_the_same_stems_are_found(name, tmp_path, write_tracks):
    songs = Path(write_tracks(tmp_path / "songs", ["A", "B", "C"], seconds=0.2))
    here, there = stems_of(str(songs)).stems, stems_of(TREES[name](songs, tmp_path / "tree")).stems
    if name == "msst2":
        assert {s.stem_id for s in there} == {f"{s.stem}/{s.track} {s.stem[0]}/{s.stem}" for s in here}
    else:
        assert [s.stem_id for s in there] == [s.stem_id for s in here]
    assert sorted(s.etag for s in there if not s.parts) == sorted(
        s.etag for s in here if s.stem != "other" or name not in ("moisesdb", "slakh")
    )
    audio = {(s.stem, read_stem(s, 8000, 1).round(4).tobytes()) for s in here}
    assert {(s.stem, read_stem(s, 8000, 1).round(4).tobytes()) for s in there} == audio


@pytest.mark.slow
@pytest.mark.xdist_group("here")
def test_a_pool_goes_through_the_whole_cleaning_in_one_process(all_here, request_for, corpora, tmp_path):
    """As far as the decision; the layout that is farthest from folders of tracks; its trainings are not Ray's."""
    cleaned("msst2", "decide", request_for, corpora, tmp_path)


@pytest.mark.train
@pytest.mark.long
@pytest.mark.parametrize("name", TREES)
def test_a_layout_goes_through_the_whole_cleaning(name, request_for, corpora, ray_runtime, tmp_path):
    """As far as the decision; to the proof those whose stems are no mixture, or sums of several files."""
    cleaned(name, None if name in ("msst2", "moisesdb") else "decide", request_for, corpora, tmp_path)


def cleaned(name: str, until: str | None, request_for, corpora, tmp_path: Path) -> None:
    places = {
        role: TREES[name](Path(getattr(corpora, role)), tmp_path / role) for role in ("corpus", "reference", "test")
    }
    overrides = {"proof": {"arms": ["contaminated", "cleaned"]}}
    run = pipeline.clean(request_for(tmp_path / "run", overrides=overrides, until=until, **places))
    rows = run.read_table("decision.parquet").to_pylist()
    assert len(rows) == len(stems_of(corpora.corpus).stems)
    assert {row["outcome"] for row in rows} <= {"scored", "silent"}
    if until is None:
        results = run.read_table("results.parquet").to_pylist()
        assert {row["arm"] for row in results} == {"contaminated", "cleaned"}
        assert {row["stem"] for row in results} == set(LABELS)
    told = run.read_json("summary.json")["handled"]
    assert len(manifest.read(run.path("cleaned.parquet"))) == told["used"] == len(rows) - told["left_out"]
    assert told["used"] >= sum(row["keep"] for row in rows)
