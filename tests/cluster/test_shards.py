"""Workers are Ray actors of a real local runtime; some of them are killed.

What runs in a worker is defined inside the tests: functions of a test module cannot be imported there.
"""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from raysep.cluster import shards
from raysep.cluster.shards import RESTARTS, run_shards
from raysep.errors import RaysepError, StorageUnreachable
from raysep.resources import Resources

# Running


def square():
    """Makes the function of (shard, payload) → its square; by value, for the workers."""

    def make():
        return lambda shard, payload: {"shard": shard, "square": payload**2}

    return make


@pytest.fixture
def hold(ray_runtime):
    """hold(cpus): takes CPUs of the runtime, as another job would, as soon as they are free; gives what to wait for."""
    holders = []

    def take(cpus: int):
        class Holder:
            pass

        holders.append(shards.ray.remote(Holder).options(num_cpus=cpus).remote())
        return holders[-1].__ray_ready__.remote()

    yield take
    for holder in holders:
        shards.ray.kill(holder)


def in_time(run):
    """What ``run`` returns; fails when that takes a minute. What it then waits for, ``hold`` lets go."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(run).result(60)
    finally:
        pool.shutdown(wait=False)


@pytest.mark.parametrize("where", ["making", "running"])
def test_an_outage_of_the_storage_ends_the_pass_and_fails_no_shard(ray_runtime, where):
    def make():
        from raysep.errors import StorageUnreachable

        def away(shard, payload):
            if payload == where:
                raise StorageUnreachable("s3://b/k: cannot be reached")
            return {}

        if where == "making":
            away(0, where)
        return away

    with pytest.raises(StorageUnreachable, match=r"^s3://b/k: cannot be reached$"):
        run_shards(make, {0: "", 1: where, 2: ""}, ray_runtime, most_workers=1)


def test_no_shards_need_no_cluster():
    assert run_shards(square(), {}, Resources(2, 0, 1)) == {}


@pytest.mark.parametrize("workers", [1, 2, None])
def test_results_do_not_depend_on_the_number_of_workers(ray_runtime, workers):
    done: dict[int, dict] = {}
    failed = run_shards(
        square(), {k: k + 1 for k in (4, 0, 3, 1, 2)}, ray_runtime, most_workers=workers, on_done=done.__setitem__
    )
    assert failed == {}
    assert done == {k: {"shard": k, "square": (k + 1) ** 2} for k in range(5)}


def test_a_worker_is_made_once_and_keeps_what_it_made(ray_runtime):
    def make():
        import os

        made = {"calls": 0}

        def run_one(shard, payload):
            made["calls"] += 1
            return {"pid": os.getpid(), "calls": made["calls"]}

        return run_one

    done: dict[int, dict] = {}
    run_shards(make, dict.fromkeys(range(4)), ray_runtime, most_workers=1, on_done=done.__setitem__)
    assert [done[k]["calls"] for k in range(4)] == [1, 2, 3, 4]  # and the shards came in their order
    assert len({row["pid"] for row in done.values()}) == 1


def test_a_worker_killed_once_is_replaced_and_its_shard_finished(ray_runtime, tmp_path):
    trace = tmp_path / "killed"

    def make():
        import os

        def run_one(shard, payload):
            if shard == 1 and not trace.exists():
                trace.touch()
                os._exit(9)
            return {"shard": shard}

        return run_one

    done: dict[int, dict] = {}
    failed = run_shards(make, dict.fromkeys(range(5)), ray_runtime, on_done=done.__setitem__)
    assert trace.exists()
    assert failed == {}
    assert sorted(done) == [0, 1, 2, 3, 4]


@pytest.mark.cluster
def test_a_shard_that_always_kills_its_worker_is_given_up_and_the_others_finish(ray_runtime, tmp_path):
    def make():
        import os
        import uuid

        def run_one(shard, payload):
            if shard == 0:
                (tmp_path / uuid.uuid4().hex).touch()
                os._exit(9)
            return {}

        return run_one

    done: dict[int, dict] = {}
    failed = run_shards(make, dict.fromkeys(range(4)), ray_runtime, most_workers=1, on_done=done.__setitem__)
    assert list(failed) == [0]
    assert failed[0].startswith(f"worker died {RESTARTS + 1} times: ")
    assert len(failed[0]) > len(f"worker died {RESTARTS + 1} times: ActorDiedError: ")
    assert len(list(tmp_path.iterdir())) == RESTARTS + 1
    assert sorted(done) == [1, 2, 3]


def test_an_exception_fails_its_shard_with_its_text_and_is_not_retried(ray_runtime, tmp_path):
    def make():
        import uuid

        def run_one(shard, payload):
            if shard == 2:
                (tmp_path / uuid.uuid4().hex).touch()
                raise ValueError("first line\nstem x.wav is odd")
            return {}

        return run_one

    done: dict[int, dict] = {}
    failed = run_shards(make, dict.fromkeys(range(4)), ray_runtime, on_done=done.__setitem__)
    assert failed == {2: "ValueError: stem x.wav is odd"}
    assert len(list(tmp_path.iterdir())) == 1
    assert sorted(done) == [0, 1, 3]


def test_the_errors_of_the_package_come_through_a_worker(ray_runtime):
    def make():
        def run_one(shard, payload):
            from raysep.errors import AudioError

            raise AudioError("x.wav: truncated; replace the file")

        return run_one

    assert run_shards(make, {0: None}, ray_runtime) == {0: "AudioError: x.wav: truncated; replace the file"}


def test_workers_that_cannot_be_made_end_the_work_with_the_reason(ray_runtime):
    """That would fail every shard: it is one error, not a failed row for every stem."""

    def make():
        raise FileNotFoundError("kit/made.json is gone")

    with pytest.raises(RaysepError, match=r"a worker could not start.*kit/made\.json is gone"):
        run_shards(make, {0: None, 1: None}, ray_runtime, most_workers=1)


@pytest.mark.cluster
def test_a_worker_that_dies_before_it_is_up_is_started_again(ray_runtime, tmp_path):
    """It has no shard yet: nothing is given up for it."""

    def make():
        import os
        import uuid

        (tmp_path / uuid.uuid4().hex).touch()
        if len(list(tmp_path.iterdir())) <= RESTARTS:
            os._exit(9)
        return lambda shard, payload: {}

    done: dict[int, dict] = {}
    assert run_shards(make, {0: None, 1: None}, ray_runtime, most_workers=1, on_done=done.__setitem__) == {}
    assert sorted(done) == [0, 1]
    assert len(list(tmp_path.iterdir())) == RESTARTS + 1


@pytest.mark.cluster
def test_workers_that_all_die_before_they_are_up_end_the_work(ray_runtime, tmp_path):
    def make():
        import os
        import uuid

        (tmp_path / uuid.uuid4().hex).touch()
        os._exit(9)

    with pytest.raises(RaysepError, match="workers died before they were up: "):
        run_shards(make, dict.fromkeys(range(9)), ray_runtime, most_workers=2)
    assert len(list(tmp_path.iterdir())) == 2 * (RESTARTS + 1)


def test_workers_without_room_keep_no_shards_from_the_others(ray_runtime, hold, tmp_path):
    """Another job has two of three CPUs: one of three workers finds room, and does it all."""

    def make():
        import uuid

        (tmp_path / uuid.uuid4().hex).touch()
        return lambda shard, payload: {"shard": shard}

    shards.ray.get(hold(ray_runtime.cpus - 1))
    done: dict[int, dict] = {}
    assert in_time(lambda: run_shards(make, dict.fromkeys(range(5)), ray_runtime, on_done=done.__setitem__)) == {}
    assert done == {k: {"shard": k} for k in range(5)}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.cluster
@pytest.mark.parametrize("count", [3, 5], ids=["the others are idle", "the others are busy"])
def test_a_shard_does_not_wait_for_a_worker_whose_room_is_gone(ray_runtime, hold, tmp_path, count):
    """What a lost node leaves: a worker dies, and there is no room for the one that should take its place."""
    made, full, killed = tmp_path / "made", tmp_path / "full", tmp_path / "killed"
    made.mkdir()

    def make():
        import os
        import time
        import uuid

        (made / uuid.uuid4().hex).touch()

        def wait_for(path):
            while not path.exists():
                time.sleep(0.01)

        def run_one(shard, payload):
            if shard == 0 and not killed.exists():
                wait_for(full)
                killed.touch()
                os._exit(9)
            if shard > 2:
                wait_for(killed)
                time.sleep(0.5)
            return {"shard": shard}

        return run_one

    done: dict[int, dict] = {}
    holders = []

    def on_done(shard, counts):
        done[shard] = counts
        if len(done) == 2:
            while len(list(made.iterdir())) < 3:
                time.sleep(0.01)
            holders.append(hold(1))  # first in the queue for the CPU of the worker that dies now
            full.touch()

    assert in_time(lambda: run_shards(make, dict.fromkeys(range(count)), ray_runtime, on_done=on_done)) == {}
    assert done == {k: {"shard": k} for k in range(count)}
    assert shards.ray.get(holders, timeout=30) == [True]
    assert len(list(made.iterdir())) == 3


@pytest.mark.cluster
def test_a_worker_that_died_idle_costs_no_shard_a_try(ray_runtime, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "RESTARTS", 1)
    gone, killed = tmp_path / "gone", tmp_path / "killed"

    def make():
        import os
        import time

        def run_one(shard, payload):
            if shard == 0 and not killed.exists():
                while not gone.exists():
                    time.sleep(0.01)
                killed.touch()
                os._exit(9)
            return {"pid": os.getpid()}

        return run_one

    done: dict[int, dict] = {}

    def on_done(shard, counts):
        done[shard] = counts
        if shard == 1:
            os.kill(counts["pid"], signal.SIGKILL)
            gone.touch()

    assert run_shards(make, {0: None, 1: None}, ray_runtime, most_workers=2, on_done=on_done) == {}
    assert sorted(done) == [0, 1]
    assert done[0]["pid"] != done[1]["pid"]


def test_a_worker_killed_for_its_memory_is_replaced_too(ray_runtime, monkeypatch):
    """Ray's error for it is no ``RayActorError``; here the first result is turned into one."""
    from ray.exceptions import OutOfMemoryError

    real, errors = shards.ray.get, [OutOfMemoryError("task was killed due to the node running low on memory")]

    def get(reference):
        found = real(reference)
        if errors and isinstance(found, dict):
            raise errors.pop()
        return found

    monkeypatch.setattr(shards.ray, "get", get)
    done: dict[int, dict] = {}
    assert run_shards(square(), {0: 3, 1: 4}, ray_runtime, on_done=done.__setitem__) == {}
    assert {k: row["square"] for k, row in done.items()} == {0: 9, 1: 16}


def test_the_workers_are_gone_afterwards(ray_runtime):
    run_shards(square(), {0: 1, 1: 2}, ray_runtime)
    assert all_free(ray_runtime)


def all_free(available) -> bool:
    """Whether, before long, nobody holds a CPU."""
    for _ in range(100):
        if shards.ray.available_resources().get("CPU") == available.cpus:
            return True
        time.sleep(0.1)
    return False
