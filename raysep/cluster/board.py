"""How far the workers are: they post to one small actor, the driver draws its bar from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray

from raysep import events
from raysep.errors import StorageError


class _Board:
    def __init__(self) -> None:
        self.latest: tuple[str, int, int, int] = ("", 0, 0, 0)
        self.costs: list[dict[str, Any]] = []
        self.ended: StorageError | None = None

    def post(self, text: str, done: int, total: int, workers: int = 0) -> None:
        self.latest = (text, done, total, workers)

    def read(self) -> tuple[str, int, int, int]:
        return self.latest

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
def board(on_change: Callable[[str, int, int], None], every: float = 0.5) -> Iterator[ray.actor.ActorHandle]:
    """A board whose posts reach ``on_change(text, done, total)`` while the block runs; how many workers there are is an event."""
    actor: Any = ray.remote(_Board).options(num_cpus=0).remote()
    ended = threading.Event()

    def watch() -> None:
        before = 0
        while not ended.wait(every):
            try:
                text, done, total, workers = ray.get(actor.read.remote())
            except Exception:
                return  # the runtime is going down; progress is not worth an error
            if workers != before:
                events.of_pool("resized", workers=workers)
                before = workers
            if text:
                on_change(text, done, total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield actor
    finally:
        ended.set()
        watcher.join(timeout=5)
        ray.kill(actor)
