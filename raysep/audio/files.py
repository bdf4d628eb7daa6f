"""Decode and encode audio: soundfile only (torchaudio's own load and save need another codec package)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from raysep.audio.chunks import find_samples, untagged
from raysep.audio.lengths import Length, of_chunks, of_codec, stopped, what_is_wrong
from raysep.audio.remembering import Remembering
from raysep.errors import AudioError

BLOCK_FRAMES = 1 << 16
MOST_FRAMES = 1 << 26  # that room is made for on a header's word alone
COUNTED_FRAMES = 1 << 10  # to be told where a decoder stopped
RATES = 1_000, 1_000_000  # Hz, of sound: what states another one has a broken header
PCM_BITS = {"PCM_16": 16, "PCM_24": 24}
UNBOUNDED = ("FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_III")  # hold samples beyond full scale


@dataclass(frozen=True, slots=True)
class AudioInfo:
    sample_rate: int  # Hz
    channels: int
    frames: int  # samples per channel
    format: str  # "WAV/PCM_16", "FLAC/PCM_24", …


def probe(source: BinaryIO | bytes, name: str) -> AudioInfo:
    """``name`` is the URI used in the error. Raises ``AudioError``.

    ``frames`` is what the header states; whether the samples are all there shows when they are decoded. Where it states
    nothing, or only an estimate, the file is decoded to its end and they are counted.
    """
    stream = _seekable(source)
    with _opened(stream, name) as (file, length):
        info = AudioInfo(file.samplerate, file.channels, length.expected or 0, f"{file.format}/{file.subtype}")
    if length.expected is None:
        return replace(info, frames=sum(block.shape[1] for block in decode_blocks(stream, name)))
    return info


def rate_of(source: BinaryIO | bytes, name: str) -> int:
    """Hz, from the header alone. Raises ``AudioError``."""
    with _opened(_seekable(source), name) as (file, _):
        return int(file.samplerate)


def decode(source: BinaryIO | bytes, name: str, start: int = 0, frames: int = -1) -> np.ndarray:
    """Samples as float32 ``(channel, time)``, the whole file or ``frames`` from ``start``; full scale is [-1, 1].

    Raises ``AudioError`` when the data ends before the header says it does, and for a whole file also when it goes on.
    """
    if not start and frames < 0:
        return _joined(_looked_into(source, name), name)
    with _opened(_seekable(source), name) as (file, length):
        total = file.frames if length.expected is None else length.expected
        expected = max(0, total - start) if frames < 0 else min(frames, max(0, total - start))
        file.seek(min(start, file.frames))
        audio = file.read(expected, dtype="float32", always_2d=True)
    if len(audio) < expected:
        raise AudioError(f"{name}: truncated, {len(audio)} of {expected} samples could be read; replace the file")
    _check_finite(audio, name)
    return np.ascontiguousarray(audio.T)


def decode_blocks(source: BinaryIO | bytes, name: str, frames: int = BLOCK_FRAMES) -> Iterator[np.ndarray]:
    """``decode`` of a whole file as blocks ``(channel, n)`` with ``n`` at most ``frames``; no more than one is held.

    A file that does not hold what it states raises ``AudioError`` too, but only after the blocks that are there.
    """
    for block in _interleaved(_looked_into(source, name), name, frames):
        yield np.ascontiguousarray(block.T)


def encode(
    audio: np.ndarray,
    sample_rate: int,
    format: str = "WAV",
    subtype: str = "PCM_16",
    compression: float | None = None,
) -> bytes:
    """Encode float32 ``(channel, time)`` as one file's bytes; where samples are integers, those outside [-1, 1] are clipped.

    In 16 and 24 bits they are rounded to the nearest step; libsndfile itself rounds down, half a step off on average.

    ``compression`` in [0, 1] is libsndfile's level for lossy formats: 1 is the smallest file.
    """
    import soundfile

    samples = audio.T if subtype in UNBOUNDED else np.clip(audio.T, -1.0, 1.0)
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


class _Looked(NamedTuple):
    """A file that is to be decoded from its beginning to its end."""

    length: Length
    rate: int  # Hz
    channels: int
    whole_numbers: bool  # is what it holds, so that none of it can be without a value


def _looked_into(source: BinaryIO | bytes, name: str) -> _Looked:
    with _opened(_seekable(source), name) as (file, length):
        return _Looked(length, file.samplerate, file.channels, file.subtype.startswith("PCM_"))


def _interleaved(looked: _Looked, name: str, frames: int) -> Iterator[np.ndarray]:
    """All samples as ``(n, channel)`` with ``n`` at most ``frames``, as libsndfile gives them. See ``decode_blocks``."""
    length, rate = looked.length, looked.rate
    end, given = length.expected, 0
    with _forward(length.stream, name) as file:
        while end is None or given < end:
            wanted = frames if end is None else min(frames, end - given)
            audio = _next(file, wanted, given, length, name)
            if len(audio) < wanted:
                _refuse_if(what_is_wrong(length, given + len(audio), rate), name)
                if end is not None:  # less than an MPEG frame is missing, of what its encoder put behind the music
                    silence = np.zeros((end - given - len(audio), looked.channels), np.float32)
                    audio = np.concatenate([audio, silence])
            given += len(audio)
            if len(audio):
                if not looked.whole_numbers:
                    _check_finite(audio, name)
                yield audio
            if len(audio) < wanted:
                return
        _refuse_if(what_is_wrong(length, given + _behind(file, given, length), rate), name)


def _joined(looked: _Looked, name: str) -> np.ndarray:
    """``(channel, time)`` of all: each block is put in its place while it is still in the cache."""
    blocks, expected = _interleaved(looked, name, BLOCK_FRAMES), looked.length.expected
    if expected is None or expected > MOST_FRAMES:
        parts = [np.zeros((looked.channels, 0), np.float32), *(block.T for block in blocks)]
        return np.concatenate(parts, axis=1)
    whole, at = np.empty((looked.channels, expected), np.float32), 0
    for block in blocks:
        whole[:, at : at + len(block)] = block.T
        at += len(block)
    return whole


def _next(file: Any, wanted: int, given: int, length: Length, name: str) -> np.ndarray:
    """``(time, channel)``, as many as wanted or, at the end, fewer. Raises ``AudioError`` that counts what came before."""
    import soundfile

    try:
        audio: np.ndarray = file.read(wanted, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        decoded, rate = _count(length.stream), file.samplerate
        raise AudioError(f"{name}: {stopped(length, decoded, rate, error.error_string)}") from None
    # libsndfile takes the chunks behind a W64's samples for some.
    return audio if length.held is None else audio[: length.held - given]


def _behind(file: Any, given: int, length: Length) -> int:
    """Samples that follow those that are stated; tags and junk, at which a decoder stops, are none."""
    import soundfile

    more = 0
    with contextlib.suppress(soundfile.LibsndfileError):
        while block := len(file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
            more += block
    return more if length.held is None else min(more, length.held - given)


def _count(stream: BinaryIO) -> int:
    """Samples until the decoder stops at something that it cannot read."""
    decoded = 0
    with contextlib.suppress(AudioError), _forward(stream, "") as file:
        while block := len(file.read(COUNTED_FRAMES, dtype="float32", always_2d=True)):
            decoded += block
    return decoded


def _refuse_if(wrong: str, name: str) -> None:
    if wrong:
        raise AudioError(f"{name}: {wrong}")


def _seekable(source: BinaryIO | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


@contextmanager
def _opened(stream: BinaryIO, name: str) -> Iterator[tuple[Any, Length]]:
    """(the ``SoundFile``, what it states); libsndfile's errors become ``AudioError``."""
    import soundfile

    stream = untagged(stream)
    found = find_samples(stream)
    mended = found.mended(stream) if found else stream
    mended.seek(0)
    with _told(name, Remembering(mended)) as read, soundfile.SoundFile(read) as file:
        if not RATES[0] <= file.samplerate <= RATES[1]:
            raise AudioError(
                f"{name}: states a rate of {file.samplerate} Hz; encode it anew, so that its header is right"
            )
        yield file, of_chunks(found, file, mended) if found else of_codec(file, stream)


@contextmanager
def _forward(stream: BinaryIO, name: str) -> Iterator[Any]:
    """The ``SoundFile`` that is read from its beginning to its end, whatever length it states."""
    import soundfile

    class Forward(soundfile.SoundFile):
        def seekable(self) -> bool:
            """No: soundfile would set the position after each read, which fails at the end of an unknown length."""
            return False

    stream.seek(0)
    with _told(name, Remembering(stream)) as read, Forward(read) as file:
        yield file


@contextmanager
def _told(name: str, stream: Remembering) -> Iterator[Remembering]:
    """The stream's own error, when it had one; libsndfile's holds an object that cannot be pickled back from a Ray worker."""
    import soundfile

    try:
        yield stream
        stream.check()
    except (soundfile.LibsndfileError, AudioError) as error:
        stream.check()
        if isinstance(error, AudioError):
            raise
        raise AudioError(
            f"{name}: not audio that can be read ({error.error_string}); replace or remove the file"
        ) from None


def _check_finite(audio: np.ndarray, name: str) -> None:
    if not np.isfinite(audio).all():
        raise AudioError(f"{name}: holds samples that are not finite; replace the file")
