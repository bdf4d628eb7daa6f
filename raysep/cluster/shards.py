"""Run a function over numbered shards by a pool of actors that grows with the cluster, and survives the loss of any of them.

What a shard computes is written by the worker itself, with a marker last (``Run.finish_shard``), so only
small counts come back and a killed driver loses no finished shard. How large the pool is to be, ``elastic`` decides.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError

from raysep import events, ledger
from raysep.cluster import capacity, elastic
from raysep.cluster.causes import SHORT, last_line, storage_error
from raysep.errors import OutputError, RaysepError
from raysep.resources import PoolSize, Resources, Shape, Share, shape_of

RESTARTS = 3


Make = Callable[[], Callable[[int, Any], dict]]


class OnEvent(Protocol):
    """What a pool tells while it works, by kind:

    ``done`` (shard, counts, cost), ``failed`` (shard, reason), ``retry`` (shard, tries, reason), ``died`` (reason; of a
    worker, with its shard or None), ``resized`` (workers that are up), ``waiting`` (text), ``short`` (text: a worker's memory
    ran out; once).
    """

    def __call__(self, kind: str, **facts: Any) -> None: ...


class _Worker:
    """Holds what is costly to make (networks, reference) and runs one shard after another."""

    run_one: Callable[[int, Any], dict] | None = None

    def prepare(self, make: Make, hidden: bool) -> None:
        if hidden:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
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
    shards: Mapping[int, Any],
    available: Resources,
    *,
    most_workers: int | None = None,
    least_workers: int = 1,
    gpu: bool = False,
    share: Share | None = None,
    on_done: Callable[[int, dict], None] = lambda shard, counts: None,
    on_event: OnEvent = events.of_pool,
) -> dict[int, str]:
    """Run every shard once; returns the shards that failed for good, with the error's text.

    ``make`` is called once in each worker and returns the function of (shard number, payload). ``share``: what a worker
    reserves beside or in place of 1 CPU, and of 1 GPU with ``gpu``. A shard whose worker dies is retried up to ``RESTARTS``
    times, by whichever worker is free first; an exception is not retried. Workers for which the cluster has no room hold
    no shard and join in when there is some; while there is none at all, the call waits, and says so as an event.
    Raises ``RaysepError`` when ``make`` itself fails, or when each worker died ``RESTARTS`` + 1 times before it was up:
    that would fail every shard. A ``StorageError`` in a worker is raised here, and fails no shard.
    """
    if not shards:
        return {}
    shape = shape_of(share or {}, available, gpu)
    hidden = "GPU" not in shape and "gpus" in (share or {})
    pool = _Pool(make, dict(shards), shape, PoolSize(least_workers, most_workers), hidden, on_done, on_event)
    try:
        pool.work()
    finally:
        pool.close()
    return pool.failed


@dataclass(frozen=True)
class _Asked:
    """A worker that was asked whether it is up."""

    worker: ActorHandle
    there: ray.ObjectRef  # answered as soon as it has its place, be it prepared or not
    deaths: int  # of those before it in its place, each before it was up


@dataclass(frozen=True)
class _Busy:
    worker: ActorHandle
    shard: int


@dataclass
class _Pool:
    """One call of ``run_shards``.

    A worker is in one of three places. ``asked`` holds those asked whether they are up: only one that has just answered is
    given a shard. One that waits for room may never be up, and one that idled may be dead: neither may keep a shard from
    the others, or cost it a try.
    """

    make: Make
    shards: dict[int, Any]
    shape: Shape
    size: PoolSize
    hidden: bool  # the GPUs of its node, from a worker that was expressly given none
    on_done: Callable[[int, dict], None]
    on_event: OnEvent
    failed: dict[int, str] = field(default_factory=dict)
    asked: dict[ray.ObjectRef, _Asked] = field(default_factory=dict)
    busy: dict[ray.ObjectRef, _Busy] = field(default_factory=dict)
    idle: list[ActorHandle] = field(default_factory=list)
    lost: int = 0  # workers that died too often before they were up
    short: bool = False  # whether it was told that memory ran out

    def __post_init__(self) -> None:
        self.waiting = sorted(self.shards, reverse=True)
        self.tries = dict.fromkeys(self.shards, 0)
        self.quiet_since = self.looked = time.monotonic()
        self.reach = 0
        self.up = 0  # as last told
        self.standstill = elastic.Standstill(lambda text: self.on_event("waiting", text=text))

    @property
    def options(self) -> dict[str, Any]:
        own = {name: amount for name, amount in self.shape.items() if name not in ("CPU", "GPU", "memory")}
        return {
            "num_cpus": self.shape["CPU"],
            "num_gpus": self.shape.get("GPU", 0),
            **({"memory": int(self.shape["memory"])} if "memory" in self.shape else {}),
            **({"resources": own} if own else {}),
            # Restarted and retried here, so that the shard that kills its worker is known and given up.
            "max_restarts": 0,
            "max_task_retries": 0,
        }

    def work(self) -> None:
        self.resize(_kept.take(self.most(), self.options) if _kept else [])
        while self.waiting or self.busy:
            answers, _ = ray.wait([*self.asked, *self.busy], num_returns=1, timeout=elastic.TICK)
            for answer in answers:
                if answer in self.asked:
                    self.is_up(answer)
                else:
                    self.is_done(answer)
            if time.monotonic() - self.looked >= elastic.TICK:
                self.resize()
                self.give_back()
                self.standstill.look(self.runs(), lambda: capacity.words_for(self.shape, len(self.asked)))

    # How large it is

    def most(self) -> int:
        return min(self.size.most or len(self.shards), len(self.shards))

    def count(self) -> elastic.Pool:
        return elastic.Pool(len(self.busy), len(self.idle), len(self.asked), len(self.waiting), self.lost)

    def resize(self, kept: list[ActorHandle] | None = None) -> None:
        """Ask for as many workers as there is work for; those that were kept come first."""
        self.looked = time.monotonic()
        for worker in kept or []:
            self.prepare(worker)
        if self.waiting:
            self.quiet_since = self.looked
            with contextlib.suppress(*capacity.UNANSWERED):  # it stays as it was, and is looked at again
                self.reach = capacity.look().reach(self.shape)
        for _ in range(elastic.more(self.count(), self.size.least, self.most(), self.reach)):
            self.start()
        self.tell()

    def give_back(self) -> None:
        """Let go of workers that have had nothing to do for a while, and of those that were asked for and are not up."""
        quiet = time.monotonic() - self.quiet_since
        for _ in range(elastic.spare(self.count(), self.size.least, quiet)):
            ray.kill(self.idle.pop())
        if not self.waiting and quiet >= elastic.IDLE_SECONDS:
            for asked in self.asked.values():
                ray.kill(asked.worker)
            self.asked.clear()
        self.tell()

    def tell(self) -> None:
        if (up := len(self.busy) + len(self.idle)) != self.up:
            self.up = up
            self.on_event("resized", workers=up)

    def runs(self) -> bool:
        """Whether any worker is there, if only to be prepared."""
        if self.busy or self.idle:
            return True
        there, _ = (
            ray.wait([each.there for each in self.asked.values()], num_returns=1, timeout=0) if self.asked else ([], [])
        )
        return bool(there)

    # One worker

    def start(self, deaths: int = 0) -> None:
        actor: Any = ray.remote(_Worker)
        self.prepare(actor.options(**self.options).remote(), deaths)

    def prepare(self, worker: Any, deaths: int = 0) -> None:  # Ray's own types lose the methods behind options()
        there = worker.__ray_ready__.remote()
        self.asked[worker.prepare.remote(self.make, self.hidden)] = _Asked(worker, there, deaths)

    def ask(self, worker: Any) -> None:
        there = worker.__ray_ready__.remote()
        self.asked[there] = _Asked(worker, there, 0)

    def give(self, worker: ActorHandle) -> None:
        if self.waiting:
            shard = self.waiting.pop()
            self.tries[shard] += 1
            self.busy[worker.run.remote(shard, self.shards[shard])] = _Busy(worker, shard)
        else:
            self.idle.append(worker)
        self.tell()

    def is_up(self, answer: ray.ObjectRef) -> None:
        asked = self.asked.pop(answer)
        try:
            ray.get(answer)
        except RayError as error:
            self.bury(asked.worker, error)
            if self.waiting and asked.deaths < RESTARTS:
                self.start(asked.deaths + 1)
                return
            self.lost += 1
            if self.waiting and not self.asked and not self.busy:
                raise RaysepError(f"workers died before they were up: {_last_line(error)}") from error
        else:
            self.lost = 0
            self.give(asked.worker)

    def is_done(self, answer: ray.ObjectRef) -> None:
        busy = self.busy.pop(answer)
        worker, shard = busy.worker, busy.shard
        try:
            counts, cost = ray.get(answer)
        except RayTaskError as error:
            if ended := storage_error(error):
                raise ended from error
            if isinstance(error.cause, OutputError):  # no shard is to blame, and none would fare better
                raise OutputError(str(error.cause)) from error
            self.fail(shard, _last_line(error.cause or error))
        except RayError as error:  # the worker died, was killed for its memory, or its node is gone
            self.bury(worker, error, shard)
            self.try_again(shard, error)
            return
        else:
            self.on_event("done", shard=shard, counts=counts, cost=cost)
            self.on_done(shard, counts)
        self.give(worker)

    def try_again(self, shard: int, error: RayError) -> None:
        if self.tries[shard] <= RESTARTS:
            self.on_event("retry", shard=shard, tries=self.tries[shard], reason=_last_line(error))
            self.waiting.append(shard)
        else:
            self.fail(shard, f"worker died {self.tries[shard]} times: {_last_line(error)}")
        self.resize()
        while self.waiting and self.idle:  # all: the first that is found alive takes it
            self.ask(self.idle.pop())

    def fail(self, shard: int, reason: str) -> None:
        self.failed[shard] = reason
        self.on_event("failed", shard=shard, reason=reason)

    def bury(self, worker: ActorHandle, error: RayError, shard: int | None = None) -> None:
        ray.kill(worker)  # it may only be out of reach, and would hold what its successor needs
        if isinstance(error, RayTaskError):  # it is not the worker's death but what ``make`` raised
            if ended := storage_error(error):
                raise ended from error
            raise RaysepError(f"a worker could not start: {_last_line(error)}") from error
        self.on_event("died", shard=shard, reason=_last_line(error))
        if not self.short and last_line(error) == SHORT:
            self.short = True
            self.on_event("short", text=SHORT)

    def close(self) -> None:
        if _kept:
            _kept.leave(self.idle, self.options)
            self.idle = []
        working = [each.worker for each in self.asked.values()] + [each.worker for each in self.busy.values()]
        for worker in self.idle + working:
            ray.kill(worker)


def _last_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {last_line(error)}"
