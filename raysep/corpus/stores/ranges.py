"""A file of a store as a seekable stream, of which only what is asked for is read."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any


class Ranges(io.RawIOBase):
    """Holds a position and no data: every read is one request for a range, which the store tries patiently.

    ``fetch(start, stop)`` gives the bytes ``start … stop - 1``, fewer only where the file ends; ``measure()`` its size.
    """

    def __init__(
        self, fetch: Callable[[int, int], bytes], measure: Callable[[], int], close: Callable[[], None] = lambda: None
    ) -> None:
        self._fetch, self._measure, self._close = fetch, measure, close
        self._at = 0
        self._size: int | None = None

    def size(self) -> int:
        """Bytes of the whole file."""
        if self._size is None:
            self._size = self._measure()
        return self._size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence)
        self._at = max(0, offset + (self.size() if base is None else base))
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self._fetch(self._at, self._at + len(view)) if len(view) else b""
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readall(self) -> bytes:
        data = self._fetch(self._at, self.size()) if self._at < self.size() else b""
        self._at += len(data)
        return data

    def close(self) -> None:
        if not self.closed:
            self._close()
        super().close()
