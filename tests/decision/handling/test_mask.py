from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.manifest import Stem
from raysep.corpus.tables import csv_bytes
from raysep.decision import handling
from raysep.decision.handling import Entry, use
from raysep.decision.handling.mask import UNSEEN, inside
from raysep.decision.handling.reading import read_decision, rows_of
from raysep.errors import BadInput
from raysep.report.verdict import Counts
from raysep.training.pieces import between

RATE = 8000
STEMS = [Stem(f"t{k}/bass", f"t{k}", "bass", f"/no/{k}.wav", RATE, 1, 10 * RATE, "WAV/PCM_16", 0, "") for k in range(5)]


def row(k: int, keep: bool = False, spans=(), places: str | None = None, label: str | None = None) -> dict:
    return {"stem_id": STEMS[k].stem_id, "keep": keep, "weight": 0.5, "spans": spans, "places": places, "label": label}


ROWS = [
    row(0, keep=True),
    row(1, spans=((2.0, 4.0), (9.0, 12.0)), places="wrong only in places"),
    row(2, places="wrong in most places"),
    row(3, spans=((2.0, 4.0),), places="belongs to another label", label="drums"),
    row(4, places=UNSEEN),
]
DECISION = {each["stem_id"]: each for each in ROWS}


def test_a_stem_is_used_without_its_bad_seconds_and_what_is_wrong_throughout_or_of_another_label_is_left_out():
    assert use("mask", DECISION, STEMS) == [Entry(STEMS[0]), Entry(STEMS[1], spans=((2.0, 4.0), (9.0, 10.0)))]


def test_no_kept_stem_is_masked_whatever_the_table_says():
    rows = {name: each | {"keep": True, "spans": ((1.0, 2.0),)} for name, each in DECISION.items()}
    assert use("mask", rows, STEMS) == [Entry(stem) for stem in STEMS]


def test_what_was_done_is_counted_and_said_and_nobody_is_called_spared_for_it():
    entries = use("mask", DECISION, STEMS)
    found = handling.counted("mask", entries, DECISION)
    one_way = {"relabelled": 0, "spared": 0, "masked": 1, "weighed": 0, "left_out": 3, "restored": 0}
    assert found == {"handling": "mask", "used": 2, "unseen": 1, **one_way}
    assert handling.told(entries, DECISION) == (
        "1 stem is used without the seconds that are wrong, first t1/bass; 1 removed, and nothing says where they are wrong, "
        "first t4/bass"
    )
    assert handling.told(use("drop", {}, STEMS), {}) == ""
    counts = Counts.of({"counts": {"stems": 5, "kept": 1, "removed": 4}, "handled": found})
    assert (counts.masked, counts.unseen) == (1, 1)


def test_a_decision_without_places_says_how_to_get_them():
    rows = {name: {"keep": False, "weight": 0.0} for name in DECISION}
    with pytest.raises(BadInput, match="no column 'places': `raysep decide RUN --handling mask`"):
        use("mask", rows, STEMS)


def test_spans_go_through_a_table_and_a_csv(tmp_path):
    spans = pa.list_(pa.struct([("start", pa.float64()), ("stop", pa.float64())]))
    rows = [each | {"spans": [{"start": a, "stop": b} for a, b in each["spans"]]} for each in ROWS]
    table = pa.Table.from_pylist(rows)
    table = table.set_column(table.schema.get_field_index("spans"), "spans", table["spans"].cast(spans))
    (tmp_path / "d.csv").write_bytes(csv_bytes(table))
    for decision in (rows_of(table), read_decision(str(tmp_path / "d.csv"))):
        assert use("mask", decision, STEMS) == use("mask", DECISION, STEMS)


@given(st.lists(st.tuples(st.floats(0.0, 15.0), st.floats(0.1, 15.0)), max_size=5))
def test_spans_end_with_the_stem_and_a_stem_of_which_less_than_a_second_is_left_has_none(drawn):
    ordered, at = [], 0.0
    for gap, length in drawn:
        ordered.append((at + gap, at + gap + length))
        at += gap + length + 0.1
    found = inside(STEMS[0], tuple(ordered))
    assert all(0 <= start < stop <= 10 for start, stop in found)
    used = between(10 * RATE, found, RATE)  # what training cuts its pieces of
    assert sum(stop - start for start, stop in used) >= RATE - 2 * len(found)
    left = np.ones(10 * RATE, dtype=bool)
    for start, stop in ordered:
        left[round(start * RATE) : round(stop * RATE)] = False
    inner = [start for start, _ in ordered if start < 10]
    if abs(left.sum() - RATE) > 10:
        assert bool(found) == (bool(inner) and left.sum() > RATE)
