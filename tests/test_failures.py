from __future__ import annotations

import pytest

from raysep import failures
from raysep.corpus import manifest
from raysep.errors import FinishedWithFailures
from raysep.rundir import Run
from raysep.screen import Progress


@pytest.fixture
def stems(make_stems):
    return make_stems(["A", "B"])


@pytest.fixture
def run(tmp_path, stems, make_stems) -> Run:
    made = Run(str(tmp_path / "run"))
    made.open("abc", {})
    manifest.write(made.path("manifest.parquet"), stems)
    manifest.write(made.path("planted.parquet"), make_stems(["planted-0-S"]))
    return made


def note(run: Run, stage: str, unread: dict[str, str]) -> None:
    with run.stage(stage) as record:
        record.update(failures.noted(unread))


def told(run: Run) -> dict[str, str]:
    rows = run.read_table("failed.parquet").to_pylist()
    assert len({row["stem_id"] for row in rows}) == len(rows)
    return {row["stem_id"]: row["message"] for row in rows}


def test_a_stem_that_some_stage_could_not_read_has_one_row_and_scorings_before_all(run, stems):
    note(run, "train", {"A/bass": "a.wav: gone", "B/drums": "b.wav: gone", "planted-0-S/bass": "p.wav: gone"})
    note(run, "retrain", {"A/bass": "a.wav: gone now"})
    bass = next(stem for stem in stems if stem.stem_id == "A/bass")
    drums = next(stem for stem in stems if stem.stem_id == "B/drums")
    failures.write(run, [failures.row_of(drums, "b.wav: truncated")])
    assert told(run) == {
        "A/bass": "a.wav: gone; left out of train, retrain",
        "B/drums": "b.wav: truncated",
        "planted-0-S/bass": "p.wav: gone; left out of train",
    }
    table = run.read_table("failed.parquet")
    assert table.schema.equals(failures.FAILED)
    row = table.to_pylist()[1]
    assert (row["uri"], row["track"], row["stem"], row["error"]) == (bass.uri, "A", "bass", "AudioError")
    with pytest.raises(
        FinishedWithFailures, match=r"3 stems failed, first B/drums \(b\.wav: truncated\).*--retry-failed"
    ):
        failures.refuse(run)


def test_what_later_stages_could_not_read_is_added_once(run):
    failures.write(run, [])
    failures.refuse(run)
    note(run, "search", {"A/bass": "gone"})
    for _ in range(2):
        failures.add(run)
        assert told(run) == {"A/bass": "gone; left out of search"}
    note(run, "search", {})  # done again
    assert failures.unread_in(run, "search") == {}


def test_a_stem_of_no_manifest_is_told_too(run):
    note(run, "train", {"elsewhere/x/vocals": "gone"})
    failures.write(run, [])
    (row,) = run.read_table("failed.parquet").to_pylist()
    assert (row["track"], row["stem"], row["uri"]) == ("elsewhere/x", "vocals", "")


def test_a_stem_that_is_scored_at_last_is_no_failure_and_that_is_said(run, capsys):
    note(run, "train", {"A/bass": "gone", "B/bass": "gone"})
    failures.forget(run, {"A/bass", "A/drums"}, Progress(quiet=False))
    assert "1 stems are scored now that train could not read (first A/bass)" in " ".join(
        capsys.readouterr().err.split()
    )
    failures.write(run, [])
    assert told(run) == {"B/bass": "gone; left out of train"}
    failures.forget(run, {"A/bass"}, Progress(quiet=False))
    assert capsys.readouterr().err == ""
