"""A file read as if some of its bytes were others, without a copy of it."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import BinaryIO, cast


class Spliced(io.RawIOBase):
    """Pieces of a seekable stream, as (first, stop), and bytes between them, read as one stream."""

    def __init__(self, base: BinaryIO, pieces: Sequence[tuple[int, int] | bytes]) -> None:
        super().__init__()
        self.base = base
        self.pieces = [piece for piece in pieces if _length(piece)]
        self.ends = list(accumulate(map(_length, self.pieces)))
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        from_here = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.ends[-1] if self.ends else 0}
        self.position = max(0, from_here[whence] + offset)
        return self.position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills the buffer as far as the stream goes: libsndfile takes fewer bytes for the end of the file."""
        view, done = memoryview(buffer).cast("B"), 0
        while done < len(view) and (part := self._part(len(view) - done)):
            view[done : done + len(part)] = part
            done += len(part)
            self.position += len(part)
        return done

    def _part(self, most: int) -> bytes:
        """At most so many bytes from the position on, of one piece; none at the end."""
        number = bisect_right(self.ends, self.position)
        if number == len(self.pieces):
            return b""
        piece = self.pieces[number]
        inside = self.position - (self.ends[number] - _length(piece))
        if isinstance(piece, bytes):
            return piece[inside : inside + most]
        self.base.seek(piece[0] + inside)
        return self.base.read(min(most, piece[1] - piece[0] - inside))


def with_bytes(base: BinaryIO, at: int, new: bytes, instead_of: int = 0) -> BinaryIO:
    """The stream with ``new`` before its byte ``at``, and in place of so many from there on.

    Bytes that are in memory are copied: libsndfile asks for a few thousand at a time, and pieces cost more at each question.
    """
    if isinstance(base, io.BytesIO):
        held = base.getbuffer()
        return io.BytesIO(b"".join((held[:at], new, held[at + instead_of :])))
    return cast(BinaryIO, Spliced(base, [(0, at), new, (at + instead_of, size_of(base))]))


def replaced(base: BinaryIO, at: int, new: bytes) -> BinaryIO:
    """The stream with ``new`` in place of as many of its bytes from ``at`` on."""
    return with_bytes(base, at, new, instead_of=len(new))


def without_beginning(base: BinaryIO, start: int) -> BinaryIO:
    """The stream from its byte ``start`` on."""
    return cast(BinaryIO, Spliced(base, [(start, size_of(base))]))


def size_of(stream: BinaryIO) -> int:
    return stream.seek(0, io.SEEK_END)


def read_at(stream: BinaryIO, at: int, count: int) -> bytes:
    stream.seek(at)
    return stream.read(count)


def _length(piece: tuple[int, int] | bytes) -> int:
    return len(piece) if isinstance(piece, bytes) else max(0, piece[1] - piece[0])
