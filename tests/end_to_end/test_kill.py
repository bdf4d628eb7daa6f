"""A killed driver: the same command goes on, finished shards stay finished, the decision is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from raysep.rundir import Run

pytestmark = [pytest.mark.cluster, pytest.mark.long]


def command(request) -> list[str]:
    arguments = [request.corpus, "--reference", request.reference, "--out", request.out, "--test", request.test]
    # One worker leaves time between the first shard and the last.
    return [
        sys.executable,
        "-m",
        "raysep.cli",
        "clean",
        *arguments,
        "--preset",
        "smallest",
        "--search",
        "--workers",
        "1",
    ]


def test_kill_9_in_the_middle_of_scoring(finished, request_for, tmp_path):
    request = request_for(tmp_path / "killed")
    run = Run(request.out)
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    driver = subprocess.Popen(command(request), env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 300
    while not (run.has("run.json") and run.shards_done("score", run.read_json("run.json")["fingerprint"])):
        assert driver.poll() is None, "the driver ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    fingerprint = run.read_json("run.json")["fingerprint"]
    before = run.shards_done("score", fingerprint)
    assert not run.is_done("score")
    assert len(before) > 0

    again = subprocess.run(command(request), env=environment, capture_output=True, text=True, timeout=600)
    assert again.returncode == 0, again.stderr
    after = run.shards_done("score", fingerprint)
    assert len(after) > len(before)
    assert all(after[shard] == marker for shard, marker in before.items())
    assert run.read_table("decision.parquet") == finished.read_table("decision.parquet")
