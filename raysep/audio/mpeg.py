"""The length tag of an MP3, and how an MP3 is decoded to its end whatever a tag says or none does.

Without a tag libsndfile takes the first frame's bit rate for that of all: an estimate, at which it ends.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, NamedTuple

from raysep.audio.splice import read_at, replaced, with_bytes

ENDLESS = 10_000_000  # MPEG frames: 72 hours at 44.1 kHz
SEARCHED = 1 << 16  # bytes behind the ID3 tags in which the first frame is looked for
HEADER_BYTES = 4  # of a frame
TAG_BYTES = 128  # of what a tagger of old puts behind a stream
IN_A_ROW = 8  # frames: so many do not follow one another in a picture by chance
DECODER_DELAY = 529  # samples, which a tag's padding counts and the decoder has taken off
RATES = (44100, 48000, 32000)
LAYER_3 = 1


class First(NamedTuple):
    """The first MPEG frame of layer III."""

    at: int
    header: int  # its first four bytes
    tag: int | None  # where the length tag stands: "Xing" or "Info"

    @property
    def samples(self) -> int:
        """Of a frame, per channel."""
        return 1152 if self.is_mpeg1 else 576

    @property
    def is_mpeg1(self) -> bool:
        return self.header >> 19 & 3 == 3


class Endless(NamedTuple):
    """An MP3 that is decoded to its end."""

    stream: BinaryIO
    padding: int = 0  # samples at the end that are no music, by the tag
    frame: int = 1152  # samples of an MPEG frame


def is_counted(stream: BinaryIO) -> bool:
    """Whether a tag states how many frames there are."""
    first = _first_frame(stream)
    return bool(first and first.tag and _flags(stream, first.tag) & 1)


def endless(stream: BinaryIO) -> Endless:
    """With more frames in its tag than there can be, or with a tag before its first frame where it has none."""
    first = _first_frame(stream)
    if first is None:
        return Endless(stream)
    if first.tag and _flags(stream, first.tag) & 1:
        mended = replaced(stream, first.tag + 8, struct.pack(">I", ENDLESS))
        return Endless(mended, _padding(stream, first.tag), first.samples)
    return Endless(with_bytes(stream, first.at, _tag_frame(first)), frame=first.samples)


def _flags(stream: BinaryIO, tag: int) -> int:
    return int.from_bytes(read_at(stream, tag + 4, 4), "big")


def _padding(stream: BinaryIO, tag: int) -> int:
    """Samples after the music, of the encoder that wrote the tag."""
    flags = _flags(stream, tag)
    encoder = tag + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    delay = read_at(stream, encoder + 21, 3)
    return max(0, (int.from_bytes(delay, "big") & 0xFFF) - DECODER_DELAY)


def goes_on(stream: BinaryIO, end: int) -> bool:
    """Whether frames follow where a decoder stopped: a stream of another rate or number of channels, behind its tags."""
    start = max(0, end - HEADER_BYTES)
    tag = read_at(stream, start, 2 * TAG_BYTES).find(b"ID3")
    return _frames_follow(stream, behind_id3(stream, start + max(0, tag)))


def broken_at(stream: BinaryIO) -> int | None:
    """The byte where a frame should begin and none does, and further ones follow: a decoder passes over all between.

    None where each frame follows the one before, tags between them, to the last one.
    """
    first = _first_frame(stream)
    at = first.at if first else None
    while at is not None and len(head := read_at(stream, at, HEADER_BYTES)) == HEADER_BYTES:
        header = int.from_bytes(head, "big")
        if _is_layer3(header):
            size = _frame_bytes(header)
            at = at + size if size else None  # of free format: not to be followed
        elif (behind := behind_id3(stream, at)) > at:
            at = behind
        else:
            return at if _frames_follow(stream, at) else None
    return None


def _frames_follow(stream: BinaryIO, start: int) -> bool:
    """Whether a row of frames begins there or near behind."""
    data = read_at(stream, start, SEARCHED)
    at = data.find(b"\xff")
    while at >= 0:
        if _frames_at(data, at) == IN_A_ROW:
            return True
        at = data.find(b"\xff", at + 1)
    return False


def _frames_at(data: bytes, at: int) -> int:
    """How many frames follow one another there, up to ``IN_A_ROW``."""
    for number in range(IN_A_ROW):
        header = int.from_bytes(data[at : at + HEADER_BYTES], "big")
        if not (_is_layer3(header) and (size := _frame_bytes(header))):
            return number
        at += size
    return IN_A_ROW


def behind_id3(stream: BinaryIO, start: int = 0) -> int:
    """Where what follows the ID3 tags that begin at ``start`` begins."""
    while (head := read_at(stream, start, 10))[:3] == b"ID3" and len(head) == 10:
        size = sum((byte & 127) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        start += 10 + size + (10 if head[5] & 16 else 0)
    return start


def _first_frame(stream: BinaryIO) -> First | None:
    """Behind ID3 tags and junk: two frames that follow each other, or a frame of free format. None if there is none."""
    start = behind_id3(stream)
    data = read_at(stream, start, SEARCHED)
    at = data.find(b"\xff")
    while at >= 0:
        header = int.from_bytes(data[at : at + 4], "big")
        if _is_layer3(header) and _followed(data, at, header):
            tag = at + _side_info(header)
            return First(start + at, header, start + tag if data[tag : tag + 4] in (b"Xing", b"Info") else None)
        at = data.find(b"\xff", at + 1)
    return None


def _is_layer3(header: int) -> bool:
    version, rate, bits = header >> 19 & 3, header >> 10 & 3, header >> 12 & 15
    return header >> 21 == 0x7FF and version != 1 and header >> 17 & 3 == LAYER_3 and rate != 3 and bits != 15


def _followed(data: bytes, at: int, header: int) -> bool:
    """Whether the next frame stands where this one ends, or cannot be looked for."""
    size = _frame_bytes(header)
    following = data[at + size : at + size + 4]
    return not size or len(following) < 4 or int.from_bytes(following, "big") >> 17 == header >> 17


def _frame_bytes(header: int) -> int:
    """0 for free format, whose frames do not say."""
    index, padded = header >> 12 & 15, header >> 9 & 1
    if not index:
        return 0
    if header >> 19 & 3 == 3:
        return (
            144_000 * (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[index] // _rate(header)
            + padded
        )
    return 72_000 * (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)[index] // _rate(header) + padded


def _rate(header: int) -> int:
    return RATES[header >> 10 & 3] >> {3: 0, 2: 1, 0: 2}[header >> 19 & 3]


def _side_info(header: int) -> int:
    """Bytes from a frame's beginning to where a tag stands in it."""
    mono = header >> 6 & 3 == 3
    return 4 + ((17 if mono else 32) if header >> 19 & 3 == 3 else (9 if mono else 17))


def _tag_frame(first: First) -> bytes:
    """A frame as the first one, but of the highest bit rate and without a checksum, that holds nothing but a tag."""
    header = first.header & ~(15 << 12 | 1 << 9) | 14 << 12 | 1 << 16
    frame = bytearray(_frame_bytes(header))
    frame[:4] = header.to_bytes(4, "big")
    at = _side_info(header)
    frame[at : at + 12] = struct.pack(">4sII", b"Xing", 1, ENDLESS)
    return bytes(frame)
