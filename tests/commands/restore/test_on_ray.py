"""On workers of a cluster the same bits come out as in one process."""

from __future__ import annotations

import pytest

from raysep.commands.restore.restore import Request, restore


@pytest.mark.slow
def test_workers_find_what_one_process_finds(decided_run, ray_runtime, run_here, monkeypatch):
    of_workers = restore(Request(decided_run(name="one").root, quiet=True))
    with monkeypatch.context() as patch:
        run_here(patch)
        alone = restore(Request(decided_run(name="two").root, quiet=True))
    columns = ["stem_id", "restored", "share", "reason", "bytes", "etag"]
    found = of_workers.read_table("restored.parquet").select(columns)
    assert found == alone.read_table("restored.parquet").select(columns)
    assert of_workers.read_json("restored.json")["labels"] == alone.read_json("restored.json")["labels"]
    assert any(found["restored"].to_pylist())
