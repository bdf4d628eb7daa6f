"""Run a function over numbered shards by a pool of actors that survive the loss of any of them.

What a shard computes is written by the worker itself, with a marker last (``Run.finish_shard``), so only
small counts come back and a killed driver loses no finished shard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from raysep.cluster.session import Resources
from raysep.errors import RaysepError

RESTARTS = 3


class _Worker:
    """Holds what is costly to make (networks, reference) and runs one shard after another."""

    def __init__(self, make: Callable[[], Callable[[int, Any], dict]]) -> None:
        self.run_one = make()

    def run(self, shard: int, payload: Any) -> dict:
        return self.run_one(shard, payload)


def run_shards(
    make: Callable[[], Callable[[int, Any], dict]],
    shards: dict[int, Any],
    available: Resources,
    *,
    most_workers: int | None = None,
    gpu: bool = False,
    on_done: Callable[[int, dict], None] = lambda shard, counts: None,
) -> dict[int, str]:
    """Run every shard once; returns the shards that failed for good, with the error's text.

    ``make`` is called once in each worker and returns the function of (shard number, payload). A worker
    that dies is replaced and its shard retried up to ``RESTARTS`` times; an exception is not retried. Raises
    ``RaysepError`` when ``make`` itself fails: that would fail every shard.
    """
    if not shards:
        return {}
    each = available.cpus if 0 < available.cpus < 1 else 1.0
    room = int(available.gpus) if gpu and available.gpus else int(available.cpus // each)
    count = max(1, min(room, len(shards), most_workers or room))
    options: dict[str, Any] = {
        "num_cpus": each,
        "num_gpus": 1 if gpu and available.gpus else 0,
        # Restarted and retried here, so that the shard that kills its worker is known and given up.
        "max_restarts": 0,
        "max_task_retries": 0,
    }
    pool = [ray.remote(_Worker).options(**options).remote(make) for _ in range(count)]
    waiting = sorted(shards.items(), reverse=True)
    tries: dict[int, int] = dict.fromkeys(shards, 0)
    busy: dict[ray.ObjectRef, tuple[int, int]] = {}
    failed: dict[int, str] = {}

    def give(worker: int) -> None:
        if waiting:
            shard, payload = waiting.pop()
            tries[shard] += 1
            busy[pool[worker].run.remote(shard, payload)] = (worker, shard)

    for worker in range(count):
        give(worker)
    while busy:
        finished, _ = ray.wait(list(busy), num_returns=1)
        worker, shard = busy.pop(finished[0])
        try:
            on_done(shard, ray.get(finished[0]))
        except RayTaskError as error:
            failed[shard] = _last_line(error.cause or error)
        except RayError as error:  # the worker died, was killed for its memory, or its node is gone
            if getattr(error, "actor_init_failed", False):
                raise RaysepError(f"a worker could not start: {_last_line(error)}") from error
            if tries[shard] <= RESTARTS:
                waiting.append((shard, shards[shard]))
            else:
                failed[shard] = f"worker died {tries[shard]} times: {_last_line(error)}"
            pool[worker] = ray.remote(_Worker).options(**options).remote(make)
        give(worker)
    for actor in pool:
        ray.kill(actor)
    return failed


def _last_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[-1] if text else ''}"


def split(keys: Iterable[str], count: int) -> dict[int, list[str]]:
    """Keys dealt to ``count`` shards by hash: the same shard for the same key, whatever else is in the list."""
    from raysep.corpus.hashing import stable_hash

    shards: dict[int, list[str]] = {}
    for key in sorted(keys):
        shards.setdefault(stable_hash(key) % count, []).append(key)
    return shards
