"""What is left of a call of ``run_shards``: workers that serve the next one, and the error of an output.

What runs in a worker is defined inside the tests: functions of a test module cannot be imported there.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from raysep.cluster import shards
from raysep.cluster.shards import run_shards
from raysep.errors import OutputError
from raysep.resources import Resources


def square():
    """Makes the function of (shard, payload) → its square; by value, for the workers."""

    def make():
        return lambda shard, payload: {"shard": shard, "square": payload**2}

    return make


def all_free(available) -> bool:
    """Whether, before long, nobody holds a CPU."""
    for _ in range(100):
        if shards.ray.available_resources().get("CPU") == available.cpus:
            return True
        time.sleep(0.1)
    return False


# From one call to the next


def own_pid():
    def make():
        import os

        return lambda shard, payload: {"pid": os.getpid()}

    return make


def pids_of(available, count: int = 2, **options) -> set[int]:
    done: dict[int, dict] = {}
    assert run_shards(own_pid(), dict.fromkeys(range(count)), available, on_done=done.__setitem__, **options) == {}
    return {row["pid"] for row in done.values()}


def test_kept_workers_serve_the_next_call_and_are_gone_afterwards(ray_runtime):
    with shards.kept_workers():
        first, second = (pids_of(ray_runtime, most_workers=1) for _ in range(2))
        assert first == second
        assert shards.ray.available_resources()["CPU"] == ray_runtime.cpus - 1
    assert pids_of(ray_runtime, most_workers=1).isdisjoint(first)
    assert all_free(ray_runtime)


def test_a_kept_worker_is_prepared_anew(ray_runtime):
    done: dict[int, dict] = {}
    with shards.kept_workers():
        run_shards(own_pid(), {0: None}, ray_runtime)
        assert run_shards(square(), {0: 3}, ray_runtime, on_done=done.__setitem__) == {}
    assert done == {0: {"shard": 0, "square": 9}}


def test_a_kept_worker_that_died_meanwhile_is_replaced(ray_runtime):
    with shards.kept_workers():
        (gone,) = pids_of(ray_runtime, most_workers=1)
        os.kill(gone, signal.SIGKILL)
        assert pids_of(ray_runtime, most_workers=1).isdisjoint({gone})


def test_workers_of_another_share_are_let_go(ray_runtime):
    """They would hold the room that the next need."""
    with shards.kept_workers():
        pids_of(ray_runtime, count=3)
        assert pids_of(Resources(0.5, 0, 1), count=1)


def test_an_output_that_cannot_be_written_ends_the_call_and_fails_no_shard(ray_runtime):
    def make():
        from raysep.errors import writing

        def run(shard, payload):
            with writing("scores/part-00001.parquet"), open("/dev/full", "wb", buffering=0) as full:
                full.write(b"x")

        return run

    with pytest.raises(
        OutputError, match=r"^scores/part-00001\.parquet: cannot be written \(No space left on device\)"
    ):
        run_shards(make, {1: None, 2: None}, Resources(2, 0, 1))
