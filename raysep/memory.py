"""Peak memory of this process and everything it started, shared pages counted once."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")


def proportional_bytes(root_pid: int) -> int:
    """Proportional set size of a process and all its descendants, in bytes; 0 where /proc does not tell."""
    return sum(_pss(pid) for pid in _tree(root_pid))


class PeakMemory:
    """Samples in the background while the block runs; ``peak_bytes`` afterwards.

    A local Ray runtime is among this process's descendants; the workers of a remote cluster are not.
    """

    def __init__(self, every: float = 1.0) -> None:
        self.every, self.peak_bytes = every, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    def _watch(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, proportional_bytes(os.getpid()))
            if self._ended.wait(self.every):
                return


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for entry in PROC.glob("[0-9]*"):
        try:
            # The command name, in parentheses, may itself hold spaces; the parent is the second field after it.
            children[int((entry / "stat").read_text().rpartition(")")[2].split()[1])].append(int(entry.name))
        except (OSError, ValueError, IndexError):
            continue  # the process ended meanwhile
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children[pid])
    return found


def _pss(pid: int) -> int:
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0
