"""What this process has asked of storages so far, counted where every request passes: ``raysep.corpus.retry``."""

from __future__ import annotations

import threading
from typing import NamedTuple


class Traffic(NamedTuple):
    requests: int  # of object stores, each try counted; folders of this machine are not asked by requests
    bytes_read: int

    def since(self, before: Traffic) -> Traffic:
        return Traffic(self.requests - before.requests, self.bytes_read - before.bytes_read)


_counting = threading.Lock()
_so_far = Traffic(0, 0)


def so_far() -> Traffic:
    return _so_far


def note(requests: int = 0, bytes_read: int = 0) -> None:
    global _so_far
    with _counting:
        _so_far = Traffic(_so_far.requests + requests, _so_far.bytes_read + bytes_read)
