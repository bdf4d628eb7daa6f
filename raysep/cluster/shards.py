"""Run a function over numbered shards by a pool of actors that survive the loss of any of them.

What a shard computes is written by the worker itself, with a marker last (``Run.finish_shard``), so only
small counts come back and a killed driver loses no finished shard.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError

from raysep import events, ledger
from raysep.cluster.causes import storage_error
from raysep.errors import OutputError, RaysepError
from raysep.resources import Resources

RESTARTS = 3


Make = Callable[[], Callable[[int, Any], dict]]


class _Worker:
    """Holds what is costly to make (networks, reference) and runs one shard after another."""

    run_one: Callable[[int, Any], dict] | None = None

    def prepare(self, make: Make) -> None:
        self.run_one = None  # freed before its successor is made: a GPU may not hold both
        self.run_one = make()

    def run(self, shard: int, payload: Any) -> tuple[dict, dict]:
        """(counts, what they cost)."""
        assert self.run_one is not None, "only a prepared worker is given a shard"
        gpus = ray.get_runtime_context().get_assigned_resources().get("GPU", 0.0)
        with ledger.measured(gpus) as cost:
            counts = self.run_one(shard, payload)
        return counts, cost


class _Kept:
    """Workers that are between two passes, all with the same share of the cluster."""

    def __init__(self) -> None:
        self.workers: list[ActorHandle] = []
        self.options: dict[str, Any] = {}

    def take(self, count: int, options: dict[str, Any]) -> list[ActorHandle]:
        """At most ``count`` of them. If their share is another one they are let go: they would hold what the next need."""
        if options != self.options:
            self.let_go()
        taken, self.workers = self.workers[:count], self.workers[count:]
        return taken

    def leave(self, workers: list[ActorHandle], options: dict[str, Any]) -> None:
        self.workers, self.options = self.workers + workers, options

    def let_go(self) -> None:
        for worker in self.workers:
            ray.kill(worker)
        self.workers = []


_kept: _Kept | None = None


@contextlib.contextmanager
def kept_workers() -> Iterator[None]:
    """Within, the workers of one call of ``run_shards`` serve the next: a process takes seconds to start and import torch.

    They hold their CPUs and GPUs until the end, so nothing else that needs the cluster may run within.
    """
    global _kept
    kept, before = _Kept(), _kept
    _kept = kept
    try:
        yield
    finally:
        _kept = before  # first: a cluster that is gone cannot let go of anything
        kept.let_go()


def run_shards(
    make: Make,
    shards: dict[int, Any],
    available: Resources,
    *,
    most_workers: int | None = None,
    gpu: bool = False,
    on_done: Callable[[int, dict], None] = lambda shard, counts: None,
    on_event: Callable[..., None] = events.of_pool,
) -> dict[int, str]:
    """Run every shard once; returns the shards that failed for good, with the error's text.

    ``make`` is called once in each worker and returns the function of (shard number, payload). A shard whose worker
    dies is retried up to ``RESTARTS`` times, by whichever worker is free first; an exception is not retried. Workers
    for which the cluster has no room hold no shard and join in when there is some; while there is none at all, the
    call waits. Raises ``RaysepError`` when ``make`` itself fails, or when each worker died ``RESTARTS`` + 1 times
    before it was up: that would fail every shard. A ``StorageError`` in a worker is raised here, and fails no shard.
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
    waiting = sorted(shards.items(), reverse=True)
    tries: dict[int, int] = dict.fromkeys(shards, 0)
    failed: dict[int, str] = {}
    # A worker is in one of three places. The first holds those asked whether they are up, each with the number of times
    # that it died before it was: only one that has just answered is given a shard. One that waits for room may never
    # be up, and one that idled may be dead: neither may keep a shard from the others, or cost it a try.
    asked: dict[ray.ObjectRef, tuple[ActorHandle, int]] = {}
    busy: dict[ray.ObjectRef, tuple[ActorHandle, int]] = {}
    idle: list[ActorHandle] = []

    def ask(worker: ActorHandle) -> None:
        asked[worker.__ray_ready__.remote()] = (worker, 0)

    def prepare(worker: Any, deaths: int = 0) -> None:  # Ray's own types lose the methods behind options()
        asked[worker.prepare.remote(make)] = (worker, deaths)

    def start(deaths: int = 0) -> None:
        actor: Any = ray.remote(_Worker)
        prepare(actor.options(**options).remote(), deaths)

    def give(worker: ActorHandle) -> None:
        if waiting:
            shard, payload = waiting.pop()
            tries[shard] += 1
            busy[worker.run.remote(shard, payload)] = (worker, shard)
        else:
            idle.append(worker)

    def bury(worker: ActorHandle, error: RayError) -> None:
        ray.kill(worker)  # it may only be out of reach, and would hold what its successor needs
        if isinstance(error, RayTaskError):  # it is not the worker's death but what ``make`` raised
            if ended := storage_error(error):
                raise ended from error
            raise RaysepError(f"a worker could not start: {_last_line(error)}") from error

    try:
        there = _kept.take(count, options) if _kept else []
        for worker in there:
            prepare(worker)
        for _ in range(count - len(there)):
            start()
        on_event("resized", workers=count)
        while waiting or busy:
            (answer,), _ = ray.wait([*asked, *busy], num_returns=1)
            if answer in asked:
                worker, deaths = asked.pop(answer)
                try:
                    ray.get(answer)
                except RayError as error:
                    bury(worker, error)
                    if waiting and deaths < RESTARTS:
                        start(deaths + 1)
                    elif waiting and not asked and not busy:
                        raise RaysepError(f"workers died before they were up: {_last_line(error)}") from error
                else:
                    give(worker)
                continue
            worker, shard = busy.pop(answer)
            try:
                counts, cost = ray.get(answer)
                on_event("done", shard=shard, counts=counts, cost=cost)
                on_done(shard, counts)
            except RayTaskError as error:
                if ended := storage_error(error):
                    raise ended from error
                if isinstance(error.cause, OutputError):  # no shard is to blame, and none would fare better
                    raise OutputError(str(error.cause)) from error
                failed[shard] = _last_line(error.cause or error)
                on_event("failed", shard=shard, reason=failed[shard])
            except RayError as error:  # the worker died, was killed for its memory, or its node is gone
                bury(worker, error)
                on_event("died", shard=shard, reason=_last_line(error))
                if tries[shard] <= RESTARTS:
                    on_event("retry", shard=shard, tries=tries[shard])
                    waiting.append((shard, shards[shard]))
                else:
                    failed[shard] = f"worker died {tries[shard]} times: {_last_line(error)}"
                if waiting and not idle:
                    start()
                while waiting and idle:  # all: the first that is found alive takes it
                    ask(idle.pop())
                continue
            give(worker)
    finally:
        if _kept:
            _kept.leave(idle, options)
            idle = []
        for worker in [*idle, *(worker for worker, _ in [*asked.values(), *busy.values()])]:
            ray.kill(worker)
    return failed


def _last_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[-1] if text else ''}"
