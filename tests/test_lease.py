from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from raysep import lease, pipeline
from raysep.errors import RunConflict, StorageUnreachable
from raysep.lease import EXPIRES, FILE, Holder, held, refuse_held
from raysep.rundir import Run
from tests.racing import how_many_get_in


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(str(tmp_path / "run"))


@pytest.fixture
def elsewhere(run):
    """elsewhere(seconds): the lease is held on another machine, and was renewed so long ago."""

    def leave(seconds: float) -> Holder:
        holder = Holder("theirs", "gpu-7", "gpu-7/boot/pids", 4711, "99", time.time() - seconds)
        run.write_json(asdict(holder), FILE)
        return holder

    return leave


def test_there_is_one_at_a_time_and_nothing_is_left_of_it(run):
    with held(run):
        with pytest.raises(
            RunConflict, match=rf"run: another raysep works on this run \(process {os.getpid()} on .*kill"
        ):
            refuse_held(run)
        with pytest.raises(RunConflict), held(run):
            pass
    refuse_held(run)
    assert not run.has(FILE)
    with held(run):
        pass


@pytest.mark.parametrize("where", ["folder", "store"])
def test_of_many_who_come_at_once_one_gets_in(where, run, s3_server):
    if where == "store":
        import boto3

        boto3.client("s3").create_bucket(Bucket="leases")
        run = Run("s3://leases/run")
    assert how_many_get_in(run, patience=30) == 1
    assert not run.has(FILE)


def test_a_killed_holder_on_this_machine_is_not_waited_for(run):
    code = f"from raysep.lease import held\nfrom raysep.rundir import Run\nwith held(Run({run.root!r})): print(1, flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"1\n"
    with pytest.raises(RunConflict, match=f"process {holder.pid} on"):
        refuse_held(run)
    os.kill(holder.pid, signal.SIGKILL)
    time.sleep(0.2)
    refuse_held(run)  # though its parent has not asked after it yet
    with held(run):
        assert run.read_json(FILE)["pid"] == os.getpid()
    holder.communicate()


def test_a_process_of_the_same_number_is_another_one(run):
    with held(run):
        holder = Holder(**run.read_json(FILE))
    assert not holder.is_gone(time.time())
    assert not holder.is_gone(time.time() + 10 * EXPIRES)  # it is there, whatever it is busy with
    assert replace(holder, started="1").is_gone(time.time())
    assert replace(holder, pid=2**22 + 1).is_gone(time.time())


def test_a_holder_on_another_machine_is_gone_when_it_has_not_been_seen_for_a_while(run, elsewhere):
    elsewhere(4)
    with pytest.raises(
        RunConflict, match=r"process 4711 on gpu-7, last seen 4 s ago\); wait for it; if it is gone, .* 5\d s from"
    ):
        refuse_held(run)
    elsewhere(EXPIRES + 1)
    refuse_held(run)
    with held(run):
        assert run.read_json(FILE)["token"] != "theirs"
    elsewhere(-30)  # by a clock that is ahead
    with pytest.raises(RunConflict, match="last seen 0 s ago"):
        refuse_held(run)


def test_it_is_renewed_and_one_that_was_taken_over_ends_the_work(run, elsewhere, monkeypatch):
    monkeypatch.setattr(lease, "RENEWED", 0.05)

    def work() -> None:
        first, deadline = run.read_json(FILE)["renewed"], time.monotonic() + 20
        while run.read_json(FILE)["renewed"] == first:
            assert time.monotonic() < deadline
        while time.monotonic() < deadline:  # again, where a renewal came in between
            elsewhere(0)
            time.sleep(0.2)

    with pytest.raises(RunConflict, match="another raysep has taken over this run"), held(run):
        work()
    assert run.read_json(FILE)["token"] == "theirs"


def test_a_file_that_somebody_deletes_is_made_again(run, monkeypatch):
    monkeypatch.setattr(lease, "RENEWED", 0.02)
    with held(run):
        os.remove(run.path(FILE))
        deadline = time.monotonic() + 10
        while not run.has(FILE):
            assert time.monotonic() < deadline


def test_what_ends_the_work_is_told_as_it_is(run):
    for error in (KeyboardInterrupt, ValueError):
        with pytest.raises(error), held(run):
            raise error
        assert not run.has(FILE)
    with pytest.raises(StorageUnreachable), held(run):
        raise StorageUnreachable("away")  # then it is not tried to be reached once more
    assert run.has(FILE)


def test_a_file_that_is_not_whole_holds_for_a_while(run, monkeypatch):
    run.write_bytes(b"", FILE)
    with pytest.raises(RunConflict, match="an unknown host"):
        refuse_held(run)
    monkeypatch.setattr(lease, "EXPIRES", -1.0)
    with held(run):
        assert json.loads(run.read_bytes(FILE))["pid"] == os.getpid()


def test_a_second_driver_is_told_before_it_reads_anything(run, elsewhere):
    elsewhere(1)
    request = pipeline.Request("/no/corpus", "/no/reference", run.root, quiet=True)
    for command in (pipeline.clean, pipeline.score, pipeline.train):
        with pytest.raises(RunConflict, match="another raysep works on this run"):
            command(request)
