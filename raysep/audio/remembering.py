"""A stream for libsndfile that keeps its errors."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

T = TypeVar("T")


class Remembering:
    """A stream for libsndfile, which is called back from C: what is raised there is printed, and then reads as the file's end.

    So it is kept, to be raised by ``check``: an outage of the storage is no fault of the file.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream: Any = stream  # typed streams know no readinto
        self._error: Exception | None = None

    def check(self) -> None:
        if self._error:
            raise self._error

    def read(self, size: int = -1) -> bytes:
        return self._kept(lambda: self._stream.read(size), b"")

    def readinto(self, buffer: Any) -> int:
        return self._kept(lambda: self._stream.readinto(buffer), 0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._kept(lambda: self._stream.seek(offset, whence), 0)

    def tell(self) -> int:
        return self._kept(self._stream.tell, 0)

    def _kept(self, action: Callable[[], T], otherwise: T) -> T:
        try:
            return otherwise if self._error else action()
        except Exception as error:
            self._error = error
            return otherwise
