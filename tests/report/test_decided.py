from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.decision.verdicts import SCHEMA
from raysep.report.data import ReportData
from raysep.report.decided import PLACES, Decided, place
from raysep.report.html import render
from raysep.report.numbers import known
from raysep.report.suspicion import file

NUMBERS = st.none() | st.integers(-3, 3).map(float) | st.sampled_from([float("nan"), 1e300])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "stem_id": st.uuids().map(str),
            "stem": st.sampled_from(["bass", "drums"]),
            "outcome": st.sampled_from(["scored", "silent", "failed", "failed (AudioError)"]),
            "suspicion": NUMBERS,
            "p_corrupt": NUMBERS,
            "keep": st.booleans(),
            "reason": st.sampled_from(["", "so"]),
        }
    ),
    max_size=12,
)


def in_turn(row) -> tuple:
    """The most suspect first, then the likelier wrong, then by name."""
    return -row["suspicion"], -row["p_corrupt"] if known(row["p_corrupt"]) else float("inf"), row["stem_id"]


@given(ROWS, st.integers(1, 5))
def test_a_table_says_what_its_rows_say_and_both_what_a_row_after_the_other_does(rows, number):
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    for found in (Decided.of(rows), Decided.of(table)):
        assert [PLACES[k] for k in found.place] == [place(row) for row in rows]
        assert found.label.tolist() == [row["stem"] for row in rows]
        audible = [n for n, row in enumerate(rows) if known(row["suspicion"]) and place(row) in ("kept", "removed")]
        assert found.audible.nonzero()[0].tolist() == audible
        order = sorted((rows[n] for n in audible), key=in_turn)
        worst = found.worst(found.audible.nonzero()[0], number)
        assert [row["stem_id"] for row in worst] == [row["stem_id"] for row in order[:number]]


@given(ROWS)
def test_the_page_of_a_table_is_that_of_its_rows(rows):
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    of_rows = ReportData("t", decision=table.to_pylist())
    assert render(of_rows) == render(dataclasses.replace(of_rows, decision=table))
    assert file(table.to_pylist()) == file(table)


@pytest.mark.parametrize("empty", [[], pa.Table.from_pylist([], schema=SCHEMA)], ids=["rows", "table"])
def test_of_no_stem_nothing_is_said(empty):
    assert "Nothing has been judged yet." in render(ReportData("t", decision=empty))
