"""How far the workers are: they post to one small actor, the driver draws its bar from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.actor import ActorHandle

from raysep import events
from raysep.cluster import capacity
from raysep.cluster.elastic import Standstill
from raysep.errors import StorageError


class _Board:
    def __init__(self) -> None:
        self.latest: tuple[str, int, int, int] = ("", 0, 0, 0)
        self.costs: list[dict[str, Any]] = []
        self.ended: StorageError | None = None
        self.running = False

    def post(self, text: str, done: int, total: int, workers: int = 0) -> None:
        self.latest = (text, done, total, workers)

    def run(self, running: bool) -> None:
        """The workers say that they run; whoever sees them die, that they no longer do."""
        self.running = running

    def read(self) -> tuple[tuple[str, int, int, int], bool]:
        return self.latest, self.running

    def add(self, cost: dict[str, Any]) -> None:
        """Workers post what they have cost; see ``raysep.ledger``."""
        self.costs.append(cost)

    def added(self) -> list[dict[str, Any]]:
        return self.costs

    def end(self, error: StorageError) -> None:
        """Workers post why there is no going on: Ray would start a group of them again, to wait for the storage anew."""
        self.ended = error

    def why(self) -> StorageError | None:
        return self.ended


@contextmanager
def board(
    on_change: Callable[[str, int, int], None],
    waits_for: Callable[[], str] = lambda: "",
    on_wait: Callable[[str], None] = lambda text: None,
    every: float = 0.5,
    name: str | None = None,
    on_resize: Callable[[int], None] = events.resized,
) -> Iterator[ActorHandle]:
    """A board whose posts reach ``on_change(text, done, total)`` while the block runs; how many workers there are is an event.

    While nothing has run for long, ``on_wait`` is told what ``waits_for`` gives: once, and whenever it changes. With a
    ``name`` whoever cannot be handed the board finds it by that.
    """
    # Beside the driver, which it cannot outlive: workers that lose their board to another node's end would fail with it.
    actor: Any = ray.remote(_Board).options(num_cpus=0, name=name, scheduling_strategy=capacity.here()).remote()
    ended = threading.Event()
    standstill = Standstill(on_wait)

    def watch() -> None:
        before = 0
        while not ended.wait(every):
            try:
                (text, done, total, workers), running = ray.get(actor.read.remote())
                standstill.look(running, waits_for)
            except Exception:
                return  # the runtime is going down; progress is not worth an error
            if workers != before:
                on_resize(workers)
                before = workers
            if text:
                on_change(text, done, total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield actor
    finally:
        ended.set()
        ray.kill(actor)  # first: one that has not come up yet would be waited for
        watcher.join(timeout=5)
