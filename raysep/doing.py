"""What a run is doing now, as its driver knows it: what the lease carries to whoever looks from outside."""

from __future__ import annotations

import threading
import time
from typing import Any

TALLIES = {  # kind of event → what it adds to, and by which of its facts (none: by one)
    "shard-done": ("failed", "failed"),
    "shard-retried": ("retries", None),
    "worker-died": ("deaths", None),
}


class Doing:
    """A listener: see ``raysep.events``."""

    def __init__(self) -> None:
        self._stages: list[str] = []  # the innermost last
        self._now: dict[str, Any] = {}
        self._workers = 0
        self._moved = False  # whether anything was done since the stage began
        self._tally: dict[str, int] = {}
        self._changing = threading.Lock()

    def __call__(self, kind: str, facts: dict[str, Any]) -> None:
        with self._changing:
            if "workers" in facts:
                # Workers that come up one after the other are no change; one that comes or goes in the middle is.
                resized = kind == "pool-resized" and self._moved and facts["workers"] != self._workers
                self._tally["resizes"] = self._tally.get("resizes", 0) + int(resized)
                self._workers = facts["workers"]
            self._moved = kind in ("shard-done", "progress") or (self._moved and not kind.startswith("stage-"))
            if kind == "stage-begun":
                self._stages.append(facts["stage"])
                self._now, self._workers = {}, 0
            elif kind in ("stage-ended", "stage-left") and facts["stage"] in self._stages:
                self._stages.remove(facts["stage"])
                self._now, self._workers = {}, 0
            elif kind == "progress":
                self._now = {**facts, "at": round(time.time(), 1)}
            if kind in TALLIES:
                name, by = TALLIES[kind]
                self._tally[name] = self._tally.get(name, 0) + int(facts.get(by, 0) if by else 1)

    def facts(self) -> dict[str, Any]:
        """The stage and its rounds, how far it is, how many workers, and what went wrong so far; for JSON."""
        with self._changing:
            stage = {"stages": list(self._stages)} if self._stages else {}
            workers = {"workers": self._workers} if self._workers else {}
            return stage | self._now | workers | {name: count for name, count in self._tally.items() if count}
