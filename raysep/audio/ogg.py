"""Whether an Ogg file is whole: its pages are walked, for a cut-off one says nothing of what is missing.

Every page of a stream is marked: the first as its beginning, the last as its end (RFC 3533). libsndfile takes the last page
that is there for the end, and of several streams one after another reads the first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from raysep.audio.splice import read_at

CONTINUED, BEGINS, ENDS = 1, 2, 4  # a page's marks


class Pages(NamedTuple):
    streams: int  # one after another
    ended: bool  # the last of them has its last page


def walk(stream: BinaryIO) -> Pages:
    """From the beginning as far as pages follow one another."""
    streams, before, open_streams = 0, 0, set()
    for marks, serial in _pages(stream):
        if marks & BEGINS:
            streams += not before & BEGINS  # those that begin together are one, of several tracks
            open_streams.add(serial)
        if marks & ENDS:
            open_streams.discard(serial)
        before = marks
    return Pages(streams, streams > 0 and not open_streams)


def _pages(stream: BinaryIO) -> Iterator[tuple[int, int]]:
    """Marks and serial number of each page that is there as a whole."""
    at = 0
    while len(head := read_at(stream, at, 27)) == 27 and head[:4] == b"OggS":
        marks, _, serial = struct.unpack("<BqI", head[5:18])
        sizes = stream.read(head[26])
        at += 27 + len(sizes) + sum(sizes)
        if len(sizes) < head[26] or (sizes and sum(sizes) and not read_at(stream, at - 1, 1)):
            return
        yield marks, serial
