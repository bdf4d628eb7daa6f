from __future__ import annotations

import pytest

from raysep.errors import FinishedWithFailures
from raysep.stages import report


def test_failures_decide_how_a_finished_run_ends(make_context, write_rows, monkeypatch):
    printed: list = []
    monkeypatch.setattr(report, "print_result", printed.append)
    context = make_context()
    context.run.open("abc", {})
    failed = [{"stem_id": "A/bass", "message": "A/bass.wav: truncated"}, {"stem_id": "B/bass", "message": "gone"}]
    write_rows(context.run, "failed.parquet", failed)
    with pytest.raises(
        FinishedWithFailures, match=r"2 stems failed, first A/bass \(A/bass\.wav: truncated\).*--retry-failed"
    ):
        report.finish(context)
    assert context.run.read_json("run.json")["finished"] is True
    context.run.write_table(context.run.read_table("failed.parquet").slice(0, 0), "failed.parquet")
    report.finish(context)
    assert printed == [context.run, context.run]  # whether quiet or not, and before the failures
