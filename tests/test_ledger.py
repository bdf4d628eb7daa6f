from __future__ import annotations

import subprocess
import sys
import time

import pytest

from raysep import events, ledger
from raysep.corpus import storage, traffic
from raysep.rundir import Run

BURN = "import time\nwhile time.process_time() < {seconds}: pass"


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_piece_of_work_is_measured_by_whoever_does_it(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 1000)
    with ledger.measured(gpus=0.5) as cost:
        burn(0.2)
        time.sleep(0.2)
        storage.read_bytes(str(tmp_path / "file"))
    assert 0.2 <= cost["cpu_seconds"] < cost["seconds"]
    assert cost["gpu_seconds"] == pytest.approx(cost["seconds"] / 2, abs=0.01)
    assert (cost["bytes_read"], cost["requests"]) == (1000, 0)
    assert cost["memory_gib"] > 0


def test_a_store_is_asked_by_requests(s3_server):
    import boto3

    boto3.client("s3").create_bucket(Bucket="ledger")
    before = traffic.so_far()
    storage.write_bytes("s3://ledger/a", b"x" * 500)
    storage.read_bytes("s3://ledger/a")
    with storage.open_whole("s3://ledger/a") as stream:
        stream.read()
    with storage.open_random("s3://ledger/a") as stream:
        stream.read(100)
    assert traffic.so_far().since(before) == (4, 500 + 500 + 100)


@pytest.mark.slow
def test_a_stage_costs_what_its_processes_do_and_those_tell_that_cannot_be_seen():
    with ledger.of_stage("score") as cost:
        subprocess.run([sys.executable, "-c", BURN.format(seconds=1.5)], check=True)
        seen = 1.0  # what a process does after its last sample is not seen
        events.tell("shard-done", cpu_seconds=0.1, bytes_read=7, requests=2, memory_gib=0.0)
    assert cost["cpu_seconds"] >= seen - 0.6
    assert (cost["bytes_read"], cost["requests"]) == (7, 2)
    with ledger.of_stage("score") as elsewhere:
        for _ in range(3):
            events.tell("shard-done", cpu_seconds=100.0, gpu_seconds=50.0, memory_gib=80.0)
        events.tell("progress", cpu_seconds=9.0)
    assert 300.0 <= elsewhere["cpu_seconds"] < 301.0
    assert elsewhere["gpu_seconds"] == 150.0
    assert elsewhere["peak_memory_gib"] == 80.0


def test_the_ledger_is_in_the_record_of_the_stage_and_in_the_event(tmp_path):
    run, heard = Run(str(tmp_path / "run")), []
    run.open("abc", {})
    with events.listening(lambda *told: heard.append(told)), run.stage("score") as record:
        record["shards"] = 3
    stage = run.read_json("run.json")["stages"]["score"]
    assert stage["shards"] == 3
    assert set(stage["ledger"]) == {"cpu_seconds", "bytes_read", "requests", "peak_memory_gib"}
    assert heard[0] == ("stage-begun", {"stage": "score"})
    kind, facts = heard[-1]
    assert kind == "stage-ended"
    assert {name: facts[name] for name in stage["ledger"]} == stage["ledger"]


def test_a_stage_that_is_left_says_why(tmp_path):
    heard: list[tuple] = []
    with pytest.raises(ValueError, match="x"), events.listening(lambda *told: heard.append(told)), ledger.of_stage("s"):
        raise ValueError("x")
    assert heard[-1] == ("stage-left", {"stage": "s", "reason": "ValueError"})
