"""Where a container of chunks says that its samples lie, and whether they do: WAV, RF64, W64, AIFF, CAF, AU.

libsndfile quietly shortens what is cut off, reads the rest of a W64 as samples, takes a length of 0 for an empty file,
and does not open a CAF that is cut off or of unknown length. So the headers are read here as well.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from raysep.audio.mpeg import behind_id3
from raysep.audio.splice import read_at, replaced, size_of, without_beginning

JUNK_BYTES = 4096  # behind the samples: fewer are passed over, whatever they are
TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS")  # what taggers append
NEAR = 1 << 16  # a program that cannot know the length writes about 2 or 4 GiB
MOST_CHUNKS = 10_000


class Family(NamedTuple):
    """How chunks are written."""

    first: int  # where the first one begins
    name: int  # bytes of a name
    size: str  # how a size is packed
    samples: bytes  # the name of the chunk that holds them
    lead: int = 0  # bytes before the samples in it
    align: int = 2
    whole: bool = False  # a size counts the name and itself


W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
FAMILIES = {
    b"RIFF": Family(12, 4, "<I", b"data"),
    b"RIFX": Family(12, 4, ">I", b"data"),
    b"RF64": Family(12, 4, "<I", b"data"),
    b"riff": Family(40, 16, "<Q", W64_DATA, align=8, whole=True),
    b"FORM": Family(12, 4, ">I", b"SSND", lead=8),
    b"caff": Family(8, 4, ">Q", b"data", lead=4, align=1),
}
AU = (b".snd", b"dns.")


@dataclass(frozen=True)
class Samples:
    """The bytes of the samples: as stated, and as they are there."""

    first: int  # where they begin
    stated: int | None  # bytes; None: not known when it was written
    held: int  # bytes, to the end of what is stated or, where less is stated than there is, of the file
    size_at: int  # where the size is written …
    packing: str  # … and how
    extra: int = 0  # what it counts beside the samples
    frames: int | None = None  # samples per channel that another chunk states (AIFF)

    def mended(self, stream: BinaryIO) -> BinaryIO:
        """The file with a size as it is, where it says another: libsndfile reads that one to its end."""
        if self.stated == self.held:
            return stream
        most = 256 ** struct.calcsize(self.packing) - 1
        return replaced(stream, self.size_at, struct.pack(self.packing, min(most, self.held + self.extra)))


def untagged(stream: BinaryIO) -> BinaryIO:
    """The file without ID3 tags before its container: libsndfile passes over one, and ends as much before the last sample.

    An MP3 keeps them: it is where they belong.
    """
    start = behind_id3(stream)
    magic = read_at(stream, start, 4) if start else b""
    return without_beginning(stream, start) if magic in (*FAMILIES, *AU, b"fLaC", b"OggS") else stream


def find_samples(stream: BinaryIO) -> Samples | None:
    """Of a container that is known here; None for another one, and for one whose samples are not found."""
    magic, end = read_at(stream, 0, 4), size_of(stream)
    if magic in AU:
        return _au(stream, ">" if magic == b".snd" else "<", end)
    family = FAMILIES.get(magic)
    if family is None:
        return None
    frames = long_at = None
    for chunk in _chunks(stream, family, end):
        if chunk.name == b"ds64":
            long_at = chunk.body + 8
        elif chunk.name == b"COMM":
            frames = _known(*struct.unpack(">I", read_at(stream, chunk.body + 2, 4)))
        elif chunk.name == family.samples:
            if long_at and chunk.size == 0xFFFFFFFF:
                (size,) = struct.unpack("<Q", read_at(stream, long_at, 8))
                chunk = chunk._replace(size=size, size_at=long_at, packing="<Q")
            return _judged(stream, family, chunk, end, frames)
    return None


class Chunk(NamedTuple):
    name: bytes
    size: int  # as written
    size_at: int
    packing: str
    body: int  # where it begins


def _chunks(stream: BinaryIO, family: Family, end: int) -> Iterator[Chunk]:
    """One after another, as far as their sizes lead. Where one of odd size was not padded, the next is found too."""
    width, at = struct.calcsize(family.size), family.first
    for _ in range(MOST_CHUNKS):
        head = read_at(stream, at, family.name + width)
        if len(head) < family.name + width:
            return
        (size,) = struct.unpack(family.size, head[family.name :])
        body = at + len(head)
        yield Chunk(head[: family.name], size, at + family.name, family.size, body)
        after = body + max(0, size - (len(head) if family.whole else 0))
        at = after + -after % family.align
        if at != after and not is_name(read_at(stream, at, 4)) and is_name(read_at(stream, after, 4)):
            at = after


def _judged(stream: BinaryIO, family: Family, chunk: Chunk, end: int, frames: int | None) -> Samples:
    """What is there of the samples' chunk, of ``chunk.size`` bytes as written."""
    width = struct.calcsize(family.size)
    extra = family.lead + (family.name + width if family.whole else 0)
    first, there = chunk.body + family.lead, max(0, end - chunk.body - family.lead)
    stated = _known(chunk.size) if chunk.size else 0
    if stated is not None:
        stated = max(0, stated - extra)
    if stated is None or stated >= there:
        held = there
    elif _goes_on(stream, family, first + stated, end):
        if not stated:
            stated = None  # never filled in
        elif width == 4 and there - stated >= 1 << 32:
            stated += (there - stated) >> 32 << 32  # 32 bits have run over
        held = stated if stated is not None and there - stated < JUNK_BYTES else there
    else:
        held = stated
    return Samples(first, stated, held, chunk.size_at, chunk.packing, extra, frames)


def _known(size: int) -> int | None:
    """None for what programs write into a pipe: 0, all bits, and numbers about 2 and 4 GiB and 0x7F000000."""
    odd = size in (0, (1 << 63) - 1, (1 << 64) - 1) or 0 <= size - 0x7F000000 < 64
    return None if odd or abs(size - (1 << 31)) <= NEAR or 0 <= (1 << 32) - size <= NEAR else size


def _goes_on(stream: BinaryIO, family: Family, at: int, end: int) -> bool:
    """Whether what stands behind the samples looks like more of them: no chunk, no tag, no zeros, and not short."""
    at += -at % family.align
    if end - at < JUNK_BYTES:
        return False
    head = read_at(stream, at, family.name + struct.calcsize(family.size))
    (size,) = struct.unpack(family.size, head[family.name :])
    is_chunk = is_name(head[:4]) and head[:4] not in FAMILIES and size <= end - at + NEAR
    return not (is_chunk or head.startswith(TAGS) or not any(head))


def is_name(four: bytes) -> bool:
    """Whether these can be the name of a chunk: four letters, digits or signs of ASCII."""
    return len(four) == 4 and all(32 <= byte < 127 for byte in four)


def _au(stream: BinaryIO, order: str, end: int) -> Samples | None:
    head = read_at(stream, 4, 8)
    if len(head) < 8:
        return None
    first, size = struct.unpack(order + "II", head)
    there = max(0, end - first)
    stated = _known(size)
    more = stated is not None and there - stated >= JUNK_BYTES
    return Samples(first, stated, there if stated is None or more else min(stated, there), 8, order + "I")
