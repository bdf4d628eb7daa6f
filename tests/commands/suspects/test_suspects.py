from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from raysep.commands.suspects import suspects as stage
from raysep.corpus import manifest, storage
from raysep.corpus.tables import parquet_bytes
from raysep.errors import BadInput
from raysep.rundir import Run, existing

ODD = "[bold]A  song: 50 % …/take [2]"  # a name as a shell, a markup language and a wrapped line would spoil it


def fill(run: Run, stems) -> Run:
    """A decision of three tracks by one probe: the odd one's bass is the worst, and one stem could not be read."""
    worst = f"{ODD}/bass"
    failed = "B/other"
    run.write_json({"fingerprint": "abc", "started": "now", "stages": {}}, "run.json")
    rows = []
    for number, s in enumerate(sorted(stems)):
        suspicion = 9.0 if s.stem_id == worst else 99.0 if s.stem_id == failed else 0.1 * number
        rows.append(
            {
                "stem_id": s.stem_id,
                "track": s.track,
                "stem": s.stem,
                "outcome": "failed" if s.stem_id == failed else "scored",
                "suspicion": suspicion,
                "p_corrupt": None if s.stem == "vocals" else min(1.0, suspicion / 10),
                "keep": s.stem_id not in (worst, failed),
                "label": "drums" if s.stem_id == worst else None,
                "reason": "P(corrupt) 0.90 above 0.5; sounds like drums (5.12 dB by the trained network, 17.4 dB by another)",
            }
        )
    scores = [{**{k: r[k] for k in ("stem_id", "track", "stem", "outcome")}, "loss": -r["suspicion"]} for r in rows]
    manifest.write(run.path("manifest.parquet"), stems)
    run.write_table(pa.Table.from_pylist(rows), "decision.parquet")
    run.write_table(pa.Table.from_pylist(scores), "stems.parquet")
    run.write_table(pa.table({"stem_id": [failed], "message": ["truncated"]}), "failed.parquet")
    return run


@pytest.fixture
def run(tmp_path, make_stems) -> Run:
    return fill(Run(str(tmp_path / "run")), make_stems([ODD, "A", "B"]))


def test_the_worst_come_first_with_what_speaks_against_them(run):
    table = stage.suspects(run)
    assert table.schema == stage.SCHEMA
    assert table["rank"].to_pylist() == list(range(1, 12))
    first = table.to_pylist()[0]
    assert (first["stem_id"], first["keep"], first["label"]) == (f"{ODD}/bass", False, "drums")
    assert first["evidence"] == "among the lowest 33 % of bass by loss"
    assert first["uri"] == f"/no/{ODD}/bass.wav"
    assert "B/other" not in table["stem_id"].to_pylist()


def test_a_label_keeps_the_rank_among_all(run):
    found = stage.suspects(run, ["bass", "drums"], top=3).to_pylist()
    everything = {row["stem_id"]: row for row in stage.suspects(run).to_pylist()}
    assert [row["stem"] in ("bass", "drums") for row in found] == [True] * 3
    assert found == [everything[row["stem_id"]] for row in found]
    with pytest.raises(BadInput, match=r"--label bas: the run's labels are bass, drums, other, vocals"):
        stage.suspects(run, ["bas"])


def test_the_list_fits_a_terminal_and_spoils_no_name(raysep, run):
    code, output, error = raysep("suspects", run.root)
    assert (code, error) == (0, "")
    lines = output.splitlines()
    assert f"    1        0.90  {ODD}/bass  (removed)" in lines
    assert f"       /no/{ODD}/bass.wav" in lines
    assert all(len(line) <= 80 for line in lines)
    assert lines[-1] == "1 stems could not be read, first B/other: failed.parquet"


def test_what_becomes_of_a_stem_is_said_as_the_run_uses_it(raysep, run, make_stems):
    assert stage.suspects(run)["becomes"].to_pylist() == ["removed"] + ["kept"] * 10
    stems = [replace(s, stem="drums") if s.stem_id == f"{ODD}/bass" else s for s in make_stems([ODD, "A", "B"])]
    manifest.write(run.path("cleaned.parquet"), [s for s in stems if s.stem_id != "B/other"])
    assert stage.suspects(run)["becomes"].to_pylist() == ["used as drums"] + ["kept"] * 10
    output = raysep("suspects", run.root)[1]
    assert f"    1        0.90  {ODD}/bass  (used as drums)" in output.splitlines()


def test_what_is_not_shown_is_said(raysep, run):
    output = raysep("suspects", run.root, "--top", "2")[1]
    assert "9 more: --top 11, or --csv FILE" in output.splitlines()
    assert "more" not in raysep("suspects", run.root)[1]


def test_the_csv_is_there_to_be_filled_in_and_is_not_written_over(raysep, run, tmp_path):
    from raysep.decision.by_hand import read_verdicts

    file = tmp_path / "lists" / "suspects.csv"
    code, output, _ = raysep("suspects", run.root, "--csv", str(file), "--label", "bass")
    assert code == 0
    assert output.splitlines()[-1] == f"3 stems: {file}"
    rows = list(csv.DictReader(file.open()))
    assert [row["stem_id"] for row in rows] == stage.suspects(run, ["bass"])["stem_id"].to_pylist()
    assert list(rows[0])[-2:] == ["verdict", "note"]
    filled = file.read_text().replace(",,\n", ",remove,hum\n", 1)
    file.write_text(filled)
    assert [(s.stem_id, s.verdict, s.note) for s in read_verdicts(str(file), ("bass",))] == [
        (f"{ODD}/bass", "remove", "hum")
    ]
    code, _, error = raysep("suspects", run.root, "--csv", str(file))
    assert code == 4
    assert "exists already" in error
    assert file.read_text() == filled
    assert raysep("suspects", run.root, "--csv", str(file), "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("place", "said"), [("list.txt", "must end in .csv"), ("a-file/list.csv", "cannot be written")]
)
def test_a_place_that_cannot_be_written_is_named_first(raysep, run, tmp_path, place, said):
    (tmp_path / "a-file").write_text("")
    code, output, error = raysep("suspects", run.root, "--csv", str(tmp_path / place))
    assert code in (1, 2)
    assert output == ""
    assert error.startswith(f"raysep: --csv {tmp_path / place}: ")
    assert said in error
    assert error.count("\n") == 1


def test_json_is_the_whole_list_and_nothing_else(raysep, run):
    code, output, _ = raysep("suspects", run.root, "--json")
    assert code == 0
    assert json.loads(output) == stage.suspects(run).to_pylist()


def test_a_run_that_has_not_decided_says_so(raysep, tmp_path):
    Run(str(tmp_path)).write_json({}, "run.json")
    code, _, error = raysep("suspects", str(tmp_path))
    assert code == 2
    assert "has no decision.parquet yet" in error


def test_a_run_in_an_object_store_is_read_alike(raysep, run, s3_server, make_stems):
    import boto3

    boto3.client("s3").create_bucket(Bucket="suspects")
    for info in storage.list_files(run.root):
        storage.write_bytes(f"s3://suspects/run/{info.path[len(run.root) + 1 :]}", Path(info.path).read_bytes())
    assert stage.suspects(existing("s3://suspects/run")) == stage.suspects(run)
    code, output, _ = raysep("suspects", "s3://suspects/run", "--csv", "s3://suspects/list.csv")
    assert code == 0
    assert storage.read_bytes("s3://suspects/list.csv").startswith(b"rank,stem_id")
    assert output.splitlines()[-1] == "11 stems: s3://suspects/list.csv"


def test_tables_of_a_run_before_have_no_column_for_the_label(run):
    table = run.read_table("decision.parquet").drop_columns(["label"])
    run.write_bytes(parquet_bytes(table), "decision.parquet")
    assert set(stage.suspects(run)["label"].to_pylist()) == {None}
