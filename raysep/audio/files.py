"""Decode and encode audio: soundfile only (torchaudio's own load and save need another codec package)."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

import numpy as np

from raysep.errors import AudioError

T = TypeVar("T")

BLOCK_FRAMES = 1 << 16
PCM_BITS = {"PCM_16": 16, "PCM_24": 24}
UNKNOWN_SIZE = 0x7FFF0000  # a WAV written to a pipe carries a size about this or 0xFFFFFFFF: it was not known


@dataclass(frozen=True)
class AudioInfo:
    sample_rate: int  # Hz
    channels: int
    frames: int  # samples per channel
    format: str  # "WAV/PCM_16", "FLAC/PCM_24", …


def probe(source: BinaryIO | bytes, name: str) -> AudioInfo:
    """Read the header only. ``name`` is the URI used in the error. Raises ``AudioError``.

    ``frames`` is what the header says; whether the samples are all there shows when they are decoded.
    """
    with _opened(source, name) as (file, frames):
        return AudioInfo(file.samplerate, file.channels, frames, f"{file.format}/{file.subtype}")


def decode(source: BinaryIO | bytes, name: str, start: int = 0, frames: int = -1) -> np.ndarray:
    """Samples as float32 ``(channel, time)`` in [-1, 1], the whole file or ``frames`` from ``start``.

    Raises ``AudioError`` when the data ends before the header says it does.
    """
    with _opened(source, name) as (file, total):
        expected = max(0, total - start) if frames < 0 else min(frames, max(0, total - start))
        file.seek(min(start, file.frames))
        audio = file.read(expected, dtype="float32", always_2d=True)
    if len(audio) < expected:
        raise _truncated(name, len(audio), expected)
    _check_finite(audio, name)
    return np.ascontiguousarray(audio.T)


def decode_blocks(source: BinaryIO | bytes, name: str, frames: int = BLOCK_FRAMES) -> Iterator[np.ndarray]:
    """``decode`` of a whole file as blocks ``(channel, n)`` with ``n`` at most ``frames``; no more than one is held.

    A truncated file raises ``AudioError`` too, but only after the blocks before the missing samples.
    """
    with _opened(source, name) as (file, total):
        done = 0
        while done < total:
            wanted = min(frames, total - done)
            audio = file.read(wanted, dtype="float32", always_2d=True)
            done += len(audio)
            if len(audio) < wanted:
                raise _truncated(name, done, total)
            _check_finite(audio, name)
            yield np.ascontiguousarray(audio.T)


def encode(
    audio: np.ndarray,
    sample_rate: int,
    format: str = "WAV",
    subtype: str = "PCM_16",
    compression: float | None = None,
) -> bytes:
    """Encode float32 ``(channel, time)`` as one file's bytes; samples outside [-1, 1] are clipped.

    In 16 and 24 bits they are rounded to the nearest step; libsndfile itself rounds down, half a step off on average.

    ``compression`` in [0, 1] is libsndfile's level for lossy formats: 1 is the smallest file.
    """
    import soundfile

    samples = np.clip(audio.T, -1.0, 1.0)
    if subtype in PCM_BITS:
        samples = nearest_steps(samples, PCM_BITS[subtype])
    stream = io.BytesIO()
    with soundfile.SoundFile(
        stream, "w", sample_rate, audio.shape[0], subtype, format=format, compression_level=compression
    ) as file:
        for first in range(0, len(samples), BLOCK_FRAMES):  # libsndfile overflows its stack on one long Vorbis write
            file.write(samples[first : first + BLOCK_FRAMES])
    return stream.getvalue()


def nearest_steps(audio: np.ndarray, bits: int) -> np.ndarray:
    """Samples rounded to the nearest step of 16 or 24 bits and cut to their range, as libsndfile takes them.

    That is int16, or int32 of which it takes the upper 24 bits.
    """
    steps = 2 ** (bits - 1)
    whole = np.clip(np.rint(audio * steps), -steps, steps - 1)
    return whole.astype(np.int16) if bits == 16 else whole.astype(np.int32) << 8


@contextmanager
def _opened(source: BinaryIO | bytes, name: str) -> Iterator[tuple[Any, int]]:
    """(the ``SoundFile``, samples per channel that its header promises); libsndfile's errors become ``AudioError``."""
    import soundfile

    stream = _Remembering(io.BytesIO(source) if isinstance(source, bytes) else source)
    declared = _declared_frames(stream)
    try:
        with soundfile.SoundFile(stream) as file:
            yield file, max(file.frames, declared or 0)
            stream.check()
    except (soundfile.LibsndfileError, AudioError) as error:
        stream.check()
        if isinstance(error, AudioError):
            raise
        # libsndfile's own error holds an object that cannot be pickled back from a Ray worker.
        raise AudioError(
            f"{name}: not audio that can be read ({error.error_string}); replace or remove the file"
        ) from None


class _Remembering:
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


def _truncated(name: str, read: int, expected: int) -> AudioError:
    return AudioError(f"{name}: truncated, {read} of {expected} samples could be read; replace the file")


def _check_finite(audio: np.ndarray, name: str) -> None:
    if not np.isfinite(audio).all():
        raise AudioError(f"{name}: holds samples that are not finite; replace the file")


def _declared_frames(stream: BinaryIO | _Remembering) -> int | None:
    """Samples per channel that a WAV's header declares, or None where it does not say.

    libsndfile quietly shortens a cut-off WAV to what is left of it, so the header is read here as well.
    """
    stream.seek(0)
    try:
        if stream.read(4) != b"RIFF":
            return None
        stream.seek(12)
        frame_bytes = 0
        while len(header := stream.read(8)) == 8:
            name, size = struct.unpack("<4sI", header)
            if name == b"fmt ":
                tag, _, _, _, frame_bytes = struct.unpack("<HHIIH", stream.read(14))
                frame_bytes = frame_bytes if tag in (1, 3, 0xFFFE) else 0  # PCM, float, extensible
                stream.seek(size - 14 + size % 2, io.SEEK_CUR)
            elif name == b"data":
                known = frame_bytes and size < UNKNOWN_SIZE
                return size // frame_bytes if known else None
            else:
                stream.seek(size + size % 2, io.SEEK_CUR)
        return None
    except struct.error:
        return None
    finally:
        stream.seek(0)
