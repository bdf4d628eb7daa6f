from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.faults import KINDS, SEVERITIES
from raysep.corpus.harm import ANY, HarmTable, Measured, stored, table_of


def row(kind, severity, db):
    return Measured(kind, severity, db, db - 0.1, db + 0.1, seeds=2, songs=60, steps=2000, share=0.4)


def test_the_stored_table_knows_every_fault_of_the_simulator():
    for kind in KINDS:
        for severity in SEVERITIES if kind not in ("swap", "merge") else ("strong",):
            assert stored().weight(kind, severity) >= 0
    assert stored().about
    assert stored().command
    assert max(stored().rows, key=lambda measured: measured.db).kind == "swap"
    assert len({(measured.kind, measured.severity) for measured in stored().rows}) == len(stored().rows)


def test_a_severity_measured_by_itself_goes_before_the_kind_as_a_whole():
    table = HarmTable("", "", (row("clip", "mild", 0.1), row("clip", ANY, 0.3), row("swap", "strong", 2.0)))
    assert [table.weight("clip", severity) for severity in SEVERITIES] == [0.1, 0.3, 0.3]
    assert table.weight("swap", "strong") == 2.0
    assert math.isnan(table.weight("swap", "mild"))
    assert math.isnan(table.weight("hum", "mild"))


@given(st.floats(-5, 5))
def test_a_weight_is_never_negative(db):
    assert HarmTable("", "", (row("clip", ANY, db),)).weight("clip", "mild") == max(0.0, db)


def test_a_kind_that_was_measured_and_came_out_undefined_is_unknown():
    assert math.isnan(HarmTable("", "", (row("clip", ANY, math.nan),)).weight("clip", "mild"))


def test_what_is_written_reads_back():
    table = HarmTable("about", "command", (row("clip", "mild", 0.1), row("swap", "strong", 2.0)))
    assert table_of(json.loads(table.to_json())) == table
    with pytest.raises(TypeError):
        table_of({"about": "", "command": "", "rows": [{"kind": "clip"}]})
