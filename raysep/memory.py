"""Memory and CPU time of this process and everything it started; of memory, shared pages counted once."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from pathlib import Path
from typing import ClassVar

Process = tuple[int, str]  # its number, and when it was started: numbers are used again
PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def proportional_bytes(root_pid: int) -> int:
    """Proportional set size of a process and all its descendants, in bytes; 0 where /proc does not tell."""
    return sum(_pss(pid) for pid in _tree(root_pid))


class PeakMemory:
    """Samples in the background while the block runs; ``peak_bytes`` and ``cpu_seconds`` afterwards.

    A local Ray runtime is among this process's descendants; the workers of a remote cluster are not. Blocks within one
    another, as a run and its stages, share the samples. What a process computes after its last sample is not seen.
    """

    _open: ClassVar[list[PeakMemory]] = []
    _sampling = threading.Lock()

    def __init__(self, every: float = 1.0) -> None:
        self.every, self.peak_bytes = every, 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._before: dict[Process, int] | None = None  # ticks of what was there at the beginning
        self._after: dict[Process, int] = {}

    @property
    def cpu_seconds(self) -> float:
        """Of all processes, those that have ended included; 0 where /proc does not tell."""
        before = self._before or {}
        return sum(ticks - before.get(process, 0) for process, ticks in self._after.items()) / TICKS

    def __enter__(self) -> PeakMemory:
        alone = not any(each.every <= self.every for each in self._open)
        self._open.append(self)
        self._sample()
        if alone:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._sample()
        self._open.remove(self)
        self._ended.set()
        if self._thread:
            self._thread.join(timeout=5)

    def _watch(self) -> None:
        while not self._ended.wait(self.every):
            self._sample()

    def _sample(self) -> None:
        processes = _tree(os.getpid())
        held, ticks = sum(map(_pss, processes)), dict(filter(None, map(_ticks, processes)))
        with self._sampling:
            for each in self._open:
                each._take(held, ticks)

    def _take(self, held: int, ticks: dict[Process, int]) -> None:
        self.peak_bytes = max(self.peak_bytes, held)
        if self._before is None:
            self._before = ticks
        self._after.update(ticks)


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for entry in PROC.glob("[0-9]*"):
        if (fields := _stat(entry.name)) is not None:
            children[int(fields[1])].append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children[pid])
    return found


def _stat(pid: int | str) -> list[str] | None:
    """The fields of a process from its state on; None for one that ended meanwhile."""
    try:
        # The command name, in parentheses, may itself hold spaces.
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _ticks(pid: int) -> tuple[Process, int] | None:
    """The process, and the clock ticks that it has computed for."""
    if (fields := _stat(pid)) is None:
        return None
    user, system, started = fields[11], fields[12], fields[19]
    return (pid, started), int(user) + int(system)


def _pss(pid: int) -> int:
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0
