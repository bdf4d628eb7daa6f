"""Draw the next batch while the network works on this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def prefetched(draw: Callable[[int], T], steps: range) -> Iterator[Iterator[T]]:
    """Yields an iterator over ``draw(step)`` for each of ``steps``, in order, one ahead, in a thread of its own.

    ``draw`` is never called twice at once, nor out of order, so what it gives does not depend on timing. An exception in
    it is raised where its result would have been.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="draw") as pool:

        def ahead() -> Iterator[T]:
            if not steps:
                return
            waiting = pool.submit(draw, steps[0])
            for step in steps[1:]:
                result = waiting.result()
                waiting = pool.submit(draw, step)
                yield result
            yield waiting.result()

        try:
            yield ahead()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
