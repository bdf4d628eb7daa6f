"""Many requests at once, for what waits for a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS = 16
AT_A_TIME = 2048  # of the tasks that wait, each of which holds memory: a corpus may have a million files


def in_threads(function: Callable[[T], R], items: Iterable[T], threads: int = THREADS) -> list[R]:
    """What the function returns of each item, in their order. Raises what the first of them raises."""
    found: list[R] = []
    waiting = iter(items)
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        while some := list(islice(waiting, AT_A_TIME)):
            found += pool.map(function, some)
    return found
