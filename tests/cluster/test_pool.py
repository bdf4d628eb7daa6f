"""A pool's size while it works: it gives back what idles, tells what happens, and reserves what it is told to."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from raysep.cluster import capacity, elastic, shards
from raysep.cluster.shards import ray, run_shards
from raysep.resources import PoolSize


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """A pool that looks round all the time, and loses patience at once."""
    for name, seconds in (("TICK", 0.1), ("IDLE_SECONDS", 0.3), ("PATIENCE", 0.5)):
        monkeypatch.setattr(elastic, name, seconds)


def until(holds, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "did not come about"
        time.sleep(0.05)


def free(name: str = "CPU") -> float:
    return sum(node.free.get(name, 0.0) for node in capacity.look().nodes)


def after(path):
    """Makes the function of a shard that ends at once, but for shard 0: that ends when the file ``path`` is there."""

    def make():
        import time

        def run_one(shard, payload):
            while shard == 0 and not path.exists():
                time.sleep(0.02)
            return {}

        return run_one

    return make


def test_workers_that_idle_are_given_back_while_the_last_shard_is_done(ray_runtime, tmp_path):
    end, events = tmp_path / "end", []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            run_shards,
            after(end),
            dict.fromkeys(range(3)),
            ray_runtime,
            on_event=lambda kind, **facts: events.append((kind, facts)),
        )
        until(lambda: len([kind for kind, _ in events if kind == "done"]) == 2)
        until(lambda: free() == ray_runtime.cpus - 1)
        end.touch()
        assert running.result(60) == {}
    sizes = [facts["workers"] for kind, facts in events if kind == "resized"]
    assert max(sizes) > 1
    assert sizes[-1] == 1


def test_the_least_stay(ray_runtime, tmp_path):
    end = tmp_path / "end"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_shards, after(end), dict.fromkeys(range(3)), ray_runtime, least_workers=2)
        until(lambda: free() == ray_runtime.cpus - 3)
        until(lambda: free() == ray_runtime.cpus - 2)
        time.sleep(1)
        assert free() == ray_runtime.cpus - 2
        end.touch()
        assert running.result(60) == {}


def test_what_holds_the_cluster_is_told_and_waited_for(ray_runtime):
    class Holder:
        pass

    holder = ray.remote(Holder).options(num_cpus=ray_runtime.cpus).remote()
    ray.get(holder.__ray_ready__.remote())
    told = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            run_shards,
            lambda: lambda shard, payload: {},
            {0: None},
            ray_runtime,
            on_event=lambda kind, **facts: told.append(facts.get("text")) if kind == "waiting" else None,
        )
        until(lambda: told)
        time.sleep(0.5)
        ray.kill(holder)
        assert running.result(60) == {}
    assert told == ["waiting for 1 CPU (3 in all, 3 held by others)"]


def test_a_worker_reserves_its_share(ray_runtime, tmp_path):
    end = tmp_path / "end"
    share = {"cpus": 1.5, "memory_gib": 0.25}
    memory = free("memory")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_shards, after(end), dict.fromkeys(range(4)), ray_runtime, share=share)
        until(lambda: free() == 0)  # two of the four find room
        assert memory - free("memory") == pytest.approx(2 * 0.25 * 2**30)
        end.touch()
        assert running.result(60) == {}


def test_what_happens_is_told(ray_runtime, tmp_path):
    killed, events = tmp_path / "killed", []

    def make():
        import os

        def run_one(shard, payload):
            if shard == 1 and not killed.exists():
                killed.touch()
                os._exit(9)
            if shard == 2:
                raise ValueError("odd")
            return {"rows": shard}

        return run_one

    run_shards(
        make,
        dict.fromkeys(range(3)),
        ray_runtime,
        most_workers=1,
        on_event=lambda kind, **facts: events.append((kind, facts)),
    )
    kinds = [kind for kind, _ in events if kind not in ("resized", "waiting")]
    assert kinds == ["done", "died", "retry", "done", "failed"]
    of = {(kind, facts.get("shard")): facts for kind, facts in events}
    assert of["done", 0]["counts"] == {"rows": 0}
    assert of["done", 0]["cost"]["seconds"] >= 0
    assert of["retry", 1]["tries"] == 1
    assert of["failed", 2]["reason"] == "ValueError: odd"


def test_memory_that_runs_out_is_told_once_in_words_that_help(monkeypatch):
    from ray.exceptions import OutOfMemoryError

    monkeypatch.setattr(shards.ray, "kill", lambda worker: None)
    events = []
    pool = shards._Pool(
        make=lambda: lambda shard, payload: {},
        shards={0: None},
        shape={"CPU": 1.0},
        size=PoolSize(1, 1),
        hidden=False,
        on_done=lambda shard, counts: None,
        on_event=lambda kind, **facts: events.append((kind, facts.get("text", ""))),
    )
    for _ in range(2):
        pool.bury(None, OutOfMemoryError("1 worker(s) were killed due to the node running low on memory. …"), 0)
    assert [kind for kind, _ in events] == ["died", "short", "died"]
    assert "--workers" in events[1][1]


def test_a_head_that_does_not_answer_ends_nothing(ray_runtime, monkeypatch):
    def look():
        raise RuntimeError("RPC error: Deadline Exceeded")

    monkeypatch.setattr(capacity, "look", look)
    assert run_shards(lambda: lambda shard, payload: {}, dict.fromkeys(range(3)), ray_runtime) == {}
    assert capacity.words_for({"CPU": 1}, 0) == ""


def test_this_cluster_does_not_grow(ray_runtime):
    here = capacity.look()
    assert not here.grows
    assert here.room({"CPU": 1}) == here.reach({"CPU": 1}) == ray_runtime.cpus
    assert capacity.unplaced({"CPU": 1}) == 0
