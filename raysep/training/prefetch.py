"""Draw the next batch while the network works on this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def prefetched(draw: Callable[[int], object], steps: range) -> Iterator[Iterator]:
    """Yields an iterator over ``draw(step)`` for each of ``steps``, in order, one ahead, in a thread of its own.

    ``draw`` is never called twice at once, nor out of order, so what it gives does not depend on timing. An exception in
    it is raised where its result would have been.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="draw") as pool:

        def ahead() -> Iterator:
            waiting = pool.submit(draw, steps[0]) if steps else None
            for number in range(len(steps)):
                result = waiting.result()
                if number + 1 < len(steps):
                    waiting = pool.submit(draw, steps[number + 1])
                yield result

        try:
            yield ahead()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
