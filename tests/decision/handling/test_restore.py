from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from raysep.corpus.manifest import Stem
from raysep.corpus.tables import csv_bytes
from raysep.decision import handling
from raysep.decision.handling import Entry, use
from raysep.decision.handling.reading import read_decision, rows_of
from raysep.decision.handling.restore import FILE, UNASKED, refuse_gone, relocated, restored_of, with_restored
from raysep.errors import BadInput
from raysep.report.verdict import Counts
from raysep.rundir import Run

STEMS = [
    Stem(f"t{k}/bass", f"t{k}", "bass", f"/no/{k}.flac", 8000, 1, 80000, "FLAC/PCM_16", 9, f"e{k}", parts=("/a", "/b"))
    for k in range(5)
]
MADE = {"uri": "/run/restored/t1/bass.wav", "format": "WAV/PCM_16", "bytes": 160044, "etag": "md5-new"}
AUDIO = Stem("t1/bass", "t1", "bass", MADE["uri"], 8000, 1, 80000, "WAV/PCM_16", 160044, "md5-new")

DECISION = pa.table(
    {
        "stem_id": [stem.stem_id for stem in STEMS],
        "keep": [True, False, False, False, False],
        "weight": [1.0, 0.0, 0.0, 0.0, 0.0],
        "outcome": ["scored", "scored", "scored", "scored", "failed"],
        "reason": ["fine", "bad", "bad", "bad", "unread"],
        "harm": [None, 1.0, 1.0, 0.0, None],
    }
)
RESTORED = pa.Table.from_pylist(
    [
        {"stem_id": "t1/bass", "restored": True, "reason": "restored: 20% of it", **MADE},
        {"stem_id": "t2/bass", "restored": False, "reason": "not restored: restoring does not beat dropping for bass"}
        | dict.fromkeys(FILE),
    ]
)
JOINED = with_restored(DECISION, RESTORED)


def test_a_restored_stem_is_used_in_place_of_the_removed_one_and_the_rest_is_left_out():
    assert use("restore", rows_of(JOINED), STEMS) == [Entry(STEMS[0]), Entry(AUDIO)]
    assert restored_of(STEMS[1], rows_of(JOINED)["t1/bass"]) == AUDIO  # a file of its own, no longer a sum of two


def test_every_removed_stem_that_was_heard_says_why_it_is_restored_or_not():
    assert JOINED["reason"].to_pylist() == [
        "fine",
        "bad; restored: 20% of it",
        "bad; not restored: restoring does not beat dropping for bass",
        f"bad; {UNASKED}",
        "unread",
    ]


def test_to_join_again_changes_no_file():
    again = with_restored(JOINED, RESTORED)
    assert again["restored"] == JOINED["restored"]
    assert again.column_names == JOINED.column_names


def test_a_kept_stem_is_used_as_it_is_whatever_was_restored():
    kept = DECISION.set_column(1, "keep", pa.array([True] * 5))
    rows = rows_of(with_restored(kept, RESTORED))
    assert use("restore", rows, STEMS) == [Entry(stem) for stem in STEMS]
    rows = {name: {**row, "restored": json.dumps(MADE)} for name, row in rows.items()}
    assert use("restore", rows, STEMS) == [Entry(stem) for stem in STEMS]


def test_a_persons_word_is_of_the_stem_itself():
    rows = {name: {**row, "verdict": "keep"} for name, row in rows_of(JOINED).items()}
    assert use("restore", rows, STEMS) == [Entry(stem) for stem in STEMS]


def test_auto_restores_where_restoring_pays_keeps_what_does_no_harm_and_is_as_ever_where_nothing_was_asked(tmp_path):
    run = Run(str(tmp_path))
    assert handling.supplied("auto", DECISION, run) == DECISION
    run.write_table(RESTORED, "restored.parquet")
    rows = rows_of(handling.supplied("auto", DECISION, run))
    here = replace(AUDIO, uri=f"{tmp_path}/restored/t1/bass.wav")  # wherever the run was when it was restored
    assert use("auto", rows, STEMS) == [Entry(STEMS[0]), Entry(here), Entry(STEMS[3])]
    assert use("restore", rows_of(handling.supplied("restore", DECISION, run)), STEMS) == [Entry(STEMS[0]), Entry(here)]


def test_after_a_run_was_moved_its_restored_stems_are_found_where_it_is_now(tmp_path):
    run, decision = Run(str(tmp_path / "moved")), str(tmp_path / "mine.parquet")
    Run(str(tmp_path)).write_table(JOINED, "mine.parquet")
    assert use("restore", read_decision(decision, run), STEMS) == [Entry(STEMS[0]), Entry(AUDIO)]  # nothing known of it
    run.write_table(RESTORED, "restored.parquet")
    here = replace(AUDIO, uri=run.path("restored", "t1/bass.wav"))
    rows = read_decision(decision, run)
    assert use("restore", rows, STEMS) == [Entry(STEMS[0]), Entry(here)]
    assert handling.counted("restore", use("restore", rows, STEMS), rows)["restored"] == 1
    with pytest.raises(BadInput, match=r"1 restored stem is not where it says, first .*; `raysep decide RUN`"):
        refuse_gone([Entry(here)], "--decision mine.parquet")
    run.write_bytes(b"audio", "restored", "t1/bass.wav")
    refuse_gone([Entry(here)], "--decision mine.parquet")
    other = RESTORED.set_column(RESTORED.schema.get_field_index("etag"), "etag", pa.array(["md5-other", None]))
    run.write_table(other, "restored.parquet")  # restored anew: that is not what was decided on
    assert relocated(JOINED, run) == JOINED


def test_what_was_done_is_counted_and_said_and_nobody_is_called_spared_for_it():
    rows = rows_of(JOINED)
    entries = use("restore", rows, STEMS)
    found = handling.counted("restore", entries, rows)
    assert (found["used"], found["spared"], found["restored"]) == (2, 0, 1)
    told = "1 stem is used without what the separator takes for other labels, first t1/bass"
    assert handling.told(entries, rows) == told
    assert handling.unlike(entries, STEMS) == [Entry(AUDIO)]
    assert Counts.of({"counts": {"stems": 5, "removed": 4}, "handled": found}).restored == 1
    nothing = rows_of(with_restored(DECISION, RESTORED.slice(1)))
    assert handling.told(use("restore", nothing, STEMS), nothing) == "no removed stem is restored"
    assert handling.told(use("drop", rows_of(DECISION), STEMS), rows_of(DECISION)) == ""


def test_it_goes_through_a_table_and_a_csv(tmp_path):
    (tmp_path / "d.csv").write_bytes(csv_bytes(JOINED))
    assert use("restore", read_decision(str(tmp_path / "d.csv")), STEMS) == use("restore", rows_of(JOINED), STEMS)


def test_a_run_that_restored_nothing_yet_and_a_decision_without_it_say_what_to_do(tmp_path):
    with pytest.raises(
        BadInput, match=r"no restored.parquet yet, by which restore handles: `raysep restore RUN` makes it"
    ):
        handling.supplied("restore", DECISION, Run(str(tmp_path)))
    with pytest.raises(BadInput, match="no column 'restored': `raysep restore RUN` restores, `raysep decide RUN"):
        use("restore", rows_of(DECISION), STEMS)
    with pytest.raises(BadInput, match=r"decision.handling = restore: .*`raysep restore RUN`"):
        handling.refuse_beforehand("restore")


@pytest.mark.parametrize("cell", ["yes", "{}", '["uri"]'])
def test_a_cell_that_somebody_edited_is_answered(cell):
    rows = {"t1/bass": {"keep": False, "weight": 0.0, "restored": cell}}
    with pytest.raises(BadInput, match=r"restored of t1/bass: .* is not what `raysep decide` writes"):
        use("restore", rows, STEMS)
