from __future__ import annotations

from raysep.report.data import ReportData
from raysep.report.record import costs, ledger_columns

LEDGER = {"cpu_seconds": 90.0, "bytes_read": 2_500_000_000, "requests": 0, "peak_memory_gib": 1.5}


def test_a_ledger_is_columns_of_what_there_is():
    assert list(ledger_columns(LEDGER)) == ["CPU", "read, GB", "memory, GiB"]
    assert ledger_columns(LEDGER)["read, GB"] == "2.500"
    assert list(ledger_columns(LEDGER | {"requests": 1200, "gpu_seconds": 7.0})) == [
        "CPU",
        "GPU",
        "read, GB",
        "requests",
        "memory, GiB",
    ]
    assert ledger_columns({}) == {}


def test_the_page_shows_them_beside_the_time_and_a_dash_where_a_stage_has_none():
    stages = [{"name": "songs", "seconds": 5.0}, {"name": "score", "seconds": 60.0, **ledger_columns(LEDGER)}]
    page = costs(ReportData(title="x", stages=stages))
    for text in ("CPU", "Read, GB", "Memory, GiB", "2.500", "1.50"):
        assert text in page
