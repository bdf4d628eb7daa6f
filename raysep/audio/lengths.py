"""How long a file says that it is, and how it is read to its end whatever it says. The decoder is the truth.

| container | states its length |
|---|---|
| WAV, RF64, W64, AIFF, CAF, AU | by the bytes of its samples; when written to a pipe, not at all: then all that is there |
| FLAC | in its header; written to a pipe, not at all |
| Ogg Vorbis, Opus, FLAC | by its last page, which is marked as such |
| MP3 | in the tag of its encoder, if it has one |

Of several streams one after another a decoder reads the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from raysep.audio import chunks, mpeg, ogg
from raysep.audio.splice import read_at, replaced

FLAC_HEADER = 42  # bytes: its mark and its first block
NEAR = 1 << 17  # bytes about where a decoder stopped
NEVER = 1 << 62  # libsndfile's number of frames where it knows none
SAMPLE_BYTES = {
    "PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Length:
    """Samples per channel."""

    stated: int | None  # None: it states none, or only gives an estimate
    stream: BinaryIO  # decoded to its end it gives all samples that are there
    held: int | None = None  # where this is known without decoding
    padding: int = 0  # of what is decoded, at the end: no music, by what the encoder wrote
    slack: int = 0  # a difference that is no lie: of encoders that count their tag
    pages: bool = False  # is an Ogg, whose end shows in its pages
    goes_on: Callable[[BinaryIO, int], bool] | None = None  # whether another stream follows where the decoder stopped
    broken_at: Callable[[], int | None] | None = None  # the byte from which on a decoder passes over some, if it does

    @property
    def expected(self) -> int | None:
        return self.held if self.stated is None else self.stated


def of_chunks(found: chunks.Samples, file: Any, stream: BinaryIO) -> Length:
    """``file`` is the mended ``stream``, opened."""
    frame = SAMPLE_BYTES.get(file.subtype, 0) * file.channels
    if not frame:  # in blocks: their number of samples is for the decoder to say
        return Length(_in_blocks(found, file), stream)
    stated = None if found.stated is None else found.stated // frame
    if stated is not None and found.frames is not None and file.format == "AIFF":
        stated = found.frames
    return Length(stated, stream, held=found.held // frame)


def _in_blocks(found: chunks.Samples, file: Any) -> int | None:
    if found.stated is None:
        return None
    if not found.held or (found.stated <= found.held and file.subtype.startswith("ALAC")):  # a table counts its packets
        return int(file.frames)
    return round(file.frames * found.stated / found.held)


def of_codec(file: Any, stream: BinaryIO) -> Length:
    """``file`` is the ``stream``, opened, which is no container of chunks."""
    stated = file.frames if file.frames < NEVER else None
    if file.format == "FLAC":
        return Length(stated, _endless_flac(stream), goes_on=_flac_follows)
    if file.format == "MP3":
        endless = mpeg.endless(stream)
        stated = stated if mpeg.is_counted(stream) else None
        return Length(
            stated,
            endless.stream,
            padding=endless.padding,
            slack=endless.frame,
            goes_on=mpeg.goes_on,
            broken_at=lambda: mpeg.broken_at(stream),
        )
    return Length(stated, stream, pages=file.format == "OGG")


def _endless_flac(stream: BinaryIO) -> BinaryIO:
    """Without its number of samples, at which libsndfile would end."""
    start = mpeg.behind_id3(stream)
    if read_at(stream, start, 4) != b"fLaC":
        return stream
    at = start + 8 + 13  # of STREAMINFO: four bits behind the bits of a sample, and 32 more
    return replaced(stream, at, bytes([read_at(stream, at, 1)[0] & 0xF0, 0, 0, 0, 0]))


def _flac_follows(stream: BinaryIO, end: int) -> bool:
    """Whether a FLAC begins again near where the decoder stopped, which reads ahead."""
    start = max(FLAC_HEADER, end - NEAR)
    near = read_at(stream, start, end - start + NEAR)
    return any(last + b"\x00\x00\x22" in near for last in (b"fLaC\x00", b"fLaC\x80"))


def what_is_wrong(length: Length, decoded: int, rate: int) -> str:
    """In words, of a file of which ``decoded`` samples came until its end, ``length.padding`` among them; else "".

    ``decoded`` may be more than what is stated.
    """
    if length.goes_on and length.goes_on(length.stream, length.stream.tell()):
        return _row("several", _seconds(decoded, rate))
    if length.pages and (wrong := _pages(ogg.walk(length.stream), _seconds(decoded, rate))):
        return wrong
    more = 0 if length.expected is None else decoded - length.padding - length.expected
    # A frame too few is no lie where the encoder has counted its tag; where one was lost it is.
    if (length.expected is None or more < 0) and length.broken_at and (at := length.broken_at()) is not None:
        return f"damaged at byte {at}, where no MPEG frame begins though more follow; replace the file"
    if abs(more) <= length.slack:
        return ""
    if more < 0:
        return _short("truncated", length, decoded, rate)
    stated = _seconds(decoded - more, rate)
    return f"holds {_seconds(decoded, rate)}, but states {stated}; encode it anew, so that its header is right"


def stopped(length: Length, decoded: int, rate: int, why: str) -> str:
    """In words, of a file whose decoder stopped after ``decoded`` samples."""
    return _short(f"truncated or damaged ({why.rstrip('.')})", length, decoded, rate)


def _short(what: str, length: Length, decoded: int, rate: int) -> str:
    of = "" if length.expected is None else f" of {length.expected}"
    told = "" if length.expected is None else f" of the {length.expected / rate:.1f} s that it states"
    return f"{what}, {decoded}{of} samples could be read ({decoded / rate:.1f}{told or ' s'}); replace the file"


def _pages(pages: ogg.Pages, told: str) -> str:
    if pages.streams > 1:
        return _row(str(pages.streams), told)
    if not pages.ended:
        return f"truncated, it ends after {told} without the page that is marked as its last; replace the file"
    return ""


def _row(count: str, told: str) -> str:
    return f"{count} streams in a row, of which only the first, {told}, can be read; encode it anew as one"


def _seconds(frames: int, rate: int) -> str:
    return f"{frames} samples ({frames / rate:.1f} s)"
