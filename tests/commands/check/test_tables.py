from __future__ import annotations

import json

import pyarrow as pa
import pytest
from rich.console import Console

from raysep.commands.check import tables
from raysep.commands.check.findings import Row, table
from raysep.corpus.leaks import Place
from raysep.outcome import Outcome
from raysep.probes.flaws import FAULT, NOTE


def row(track: str, stem: str, **more) -> dict:
    about = {"role": "corpus", "track": track, "stem": stem, "uri": f"/no/{track}/{stem}.wav", "message": ""}
    return about | {"outcome": Outcome.SCORED, "seconds": 1800.0, "level_dbfs": -20.0} | more


ROWS = [
    row("A", "bass", unusual=1.0, nearest="drums", like_other=0.4),
    row("A", "drums", level_dbfs=-30.0, unusual=3.0, nearest="bass", like_other=1.2),
    row("B", "bass", outcome=Outcome.SILENT, level_dbfs=-90.0),
    row("B", "drums", outcome=Outcome.FAILED, seconds=None, level_dbfs=None),
    row("A", "mixture"),
    row("R", "bass", role="reference"),
]
FOUND = [
    Row(FAULT, "clipped", "corpus", "A [live]", "bass", "clipped: 5 % of the samples", 0.05, 1e-3),
    Row(FAULT, "clipped", "corpus", "A", "drums", "clipped", 0.05, 1e-3),
    Row(NOTE, "silent", "corpus", "B", "bass", "silent throughout", float("nan"), -60.0),
]


def test_the_corpus_is_counted_by_label_and_nothing_else_is():
    counted = tables.counts(ROWS, FOUND, {})
    assert counted["tracks"] == 2
    assert counted["faults"] == {"clipped": 2}
    assert counted["notes"] == {"silent": 1}
    assert counted["labels"]["drums"] == {
        "stems": 2,
        "hours": 0.5,
        "silent": 0,
        "unreadable": 1,
        "with_faults": 1,
        "level_dbfs": {"median": -30.0, "lowest": -30.0, "highest": -30.0},
    }
    assert counted["labels"]["bass"]["silent"] == 1


def test_copies_are_left_out_of_the_count():
    counted = tables.counts(ROWS, [], {"B": "A"})
    assert (counted["tracks"], counted["copies_left_out"]) == (1, 1)
    assert counted["labels"]["bass"]["hours"] == 0.5


def test_a_table_of_every_file_has_every_column():
    found = tables.stems_table(ROWS)
    assert found.num_rows == len(ROWS)
    assert found.column_names[-3:] == ["unusual", "nearest", "like_other"]
    assert found["role"].to_pylist()[-1] == "reference"


def test_csv_and_json_hold_what_was_found_and_no_nan():
    lines = tables.csv_bytes(table(FOUND)).decode().splitlines()
    assert lines[0].split(",")[:5] == ["level", "what", "role", "track", "stem"]
    assert len(lines) == 4
    assert lines[3].split(",")[6] == ""
    record = json.loads(tables.json_bytes(tables.counts(ROWS, FOUND, {}), ROWS)(table(FOUND)))
    assert record["tracks"] == 2
    assert record["found"][2]["value"] is None
    assert [one["stem"] for one in record["rankings"]["unusual"]] == ["drums", "bass"]


@pytest.fixture
def shown(monkeypatch):
    """What a terminal of eighty columns shows."""

    def show(found, rows, incomparable=()) -> str:
        console = Console(width=80, record=True, highlight=False, force_terminal=False)
        monkeypatch.setattr(tables, "terminal", lambda: console)
        tables.show(tables.counts(rows, found, {}), found, rows, list(incomparable), "out")
        return console.export_text()

    return show


def test_eighty_columns_hold_everything_and_names_stay_as_they_are(shown):
    text = shown(FOUND, ROWS, [Place("test", "short [x]")])
    assert all(len(line) <= 80 for line in text.splitlines())
    for word in (
        "clipped",
        "A [live]/bass",
        "silent throughout",
        "1 tracks, first short [x] of",
        "out/check.parquet",
    ):
        assert word in text
    assert "a ranking, not a verdict" in text
    assert "3.00" in text


def test_nothing_found_is_said_and_without_sound_nothing_is_ranked(shown):
    text = shown([], [row("A", "bass")])
    assert "nothing found" in text
    assert "ranking" not in text


def test_the_schema_of_the_rankings_is_plain():
    assert tables.RANKINGS.field("nearest").type == pa.string()
