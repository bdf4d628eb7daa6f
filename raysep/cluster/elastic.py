"""How large a pool is to be, and what is to be said when it stands still: decided by what is there, apart from Ray."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

TICK = 2.0  # seconds between two looks at the cluster, while a pool has shards that no worker has
IDLE_SECONDS = 20.0  # without a shard that waits, after which workers without work are given back
PATIENCE = 10.0  # seconds without any worker, after which it is said what is waited for


@dataclass(frozen=True)
class Pool:
    """The workers of a pool and the shards that are left."""

    busy: int  # workers that have a shard
    idle: int  # workers that are up and have none
    asked: int  # workers that are not up: they start, or wait for room
    waiting: int  # shards that no worker has
    lost: int = 0  # workers that died too often before they were up, for which no other is asked


def more(pool: Pool, least: int, most: int, reach: int) -> int:
    """Workers to ask for now: one a shard, at most ``most``, and no more than the cluster can ever hold (``reach``).

    A worker for which there is no room yet is what tells an autoscaler to make some. At least ``least`` are asked for,
    and one in any case: a cluster that holds none yet may be one that is about to grow.
    """
    wanted = min(pool.busy + pool.waiting, most, max(reach, least, 1)) - pool.lost
    return max(0, wanted - pool.busy - pool.idle - pool.asked)


def spare(pool: Pool, least: int, quiet: float) -> int:
    """Idle workers to give back, when no shard has waited for ``quiet`` seconds: all but what makes up ``least``."""
    if pool.waiting or quiet < IDLE_SECONDS:
        return 0
    return max(0, min(pool.idle, pool.idle + pool.busy - least))


class Standstill:
    """Says what is waited for: once it has lasted, again when it changes, and nothing while anything runs."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.say, self.clock = say, clock
        self.since = clock()
        self.told = ""

    def look(self, runs: bool, words: Callable[[], str]) -> None:
        """``runs``: whether any worker is up. ``words`` gives what is waited for, "" for nothing; asked only when it is late."""
        if runs:
            self.since, self.told = self.clock(), ""
        elif self.clock() - self.since >= PATIENCE and (text := words()) and text != self.told:
            self.told = text
            self.say(text)
