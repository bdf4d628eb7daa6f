"""What a piece of work costs: CPU and GPU seconds, bytes, requests, memory. For a stage, and for what a worker does of it.

The driver sees the processes that it has started, a runtime on this machine with all its workers among them. What workers
elsewhere cost they measure themselves (``measured``), and tell; a worker that died told nothing of what it died in.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from raysep import events
from raysep.corpus import traffic
from raysep.memory import PeakMemory

SUMMED = ("cpu_seconds", "gpu_seconds", "bytes_read", "requests")  # of these facts, whoever tells them
GIB = 2**30


@contextmanager
def measured(gpus: float = 0.0) -> Iterator[dict[str, Any]]:
    """What this process does within, filled in at its end: what a worker tells of a shard. ``gpus``: what it holds of them."""
    facts: dict[str, Any] = {}
    begin, cpu, before = time.perf_counter(), time.process_time(), traffic.so_far()
    yield facts
    seconds, came = time.perf_counter() - begin, traffic.so_far().since(before)
    facts.update(
        host=platform.node(),
        seconds=round(seconds, 3),
        cpu_seconds=round(time.process_time() - cpu, 3),
        **({"gpu_seconds": round(gpus * seconds, 3)} if gpus else {}),
        bytes_read=came.bytes_read,
        requests=came.requests,
        memory_gib=round(_largest() / GIB, 3),
    )


class Account:
    """What a stage has cost so far. A listener to what its workers tell."""

    def __init__(self) -> None:
        self._traffic, self._own = traffic.so_far(), time.process_time()
        self._told: dict[str, float] = dict.fromkeys(SUMMED, 0.0)
        self._largest = 0.0
        self._adding = threading.Lock()

    def __call__(self, kind: str, facts: dict[str, Any]) -> None:
        if not kind.endswith(("-done", "-used")):
            return
        with self._adding:
            for name in SUMMED:
                self._told[name] += facts.get(name) or 0.0
            self._largest = max(self._largest, facts.get("memory_gib") or 0.0)

    def entries(self, seen: PeakMemory) -> dict[str, Any]:
        """For run.json. CPU seconds of all processes that can be seen from here, or of this one and those that told."""
        own, came = time.process_time() - self._own, traffic.so_far().since(self._traffic)
        found = {
            "cpu_seconds": round(max(seen.cpu_seconds, own + self._told["cpu_seconds"]), 2),
            "bytes_read": int(came.bytes_read + self._told["bytes_read"]),
            "requests": int(came.requests + self._told["requests"]),
            "peak_memory_gib": round(max(seen.peak_bytes / GIB, self._largest), 3),
        }
        if gpu := self._told["gpu_seconds"]:
            found["gpu_seconds"] = round(gpu, 2)
        return found


@contextmanager
def of_stage(stage: str) -> Iterator[dict[str, Any]]:
    """Tells that a stage begins and ends; the mapping that it yields holds the stage's ledger afterwards."""
    entries: dict[str, Any] = {}
    begin = time.perf_counter()
    with events.at_stage(stage):
        account = Account()
        try:
            with PeakMemory() as seen, events.listening(account):
                yield entries
        except BaseException as error:
            events.tell("stage-left", reason=type(error).__name__)
            raise
        entries.update(account.entries(seen))
        events.tell("stage-ended", seconds=round(time.perf_counter() - begin, 2), **entries)


def _largest() -> int:
    """Bytes of memory that this process has had at most; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
