"""On workers of a cluster the same bits come out as in one process."""

from __future__ import annotations

import os

import pytest

from raysep.commands.worth.descend import DescendRequest, descended
from raysep.commands.worth.worth import WorthRequest, worth


@pytest.mark.slow
@pytest.mark.long
def test_workers_find_what_one_process_finds(decided_run, ray_runtime, run_here, monkeypatch):
    of_workers = worth(WorthRequest(decided_run("workers").root, seeds=3, quiet=True))
    with monkeypatch.context() as patch:
        run_here(patch)
        alone = worth(WorthRequest(decided_run("alone").root, seeds=3, quiet=True))
    assert of_workers.read_table("worth.parquet") == alone.read_table("worth.parquet")
    processes = {of_workers.read_json("done", "worth", f"0000{seed}.json")["pid"] for seed in range(3)}
    assert os.getpid() not in processes
    assert descended(DescendRequest(of_workers.root, rounds=1, quiet=True)).has("descent.parquet")
