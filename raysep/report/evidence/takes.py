"""Sounds to listen to, with their pictures: a whole stem, or an excerpt of it, encoded small."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable

import numpy as np

from raysep.audio import streams
from raysep.audio.channels import as_channels
from raysep.audio.files import decode, encode
from raysep.audio.resample import resample
from raysep.corpus import identity, storage, tags
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem
from raysep.errors import AudioError
from raysep.report.data import Outline, Take
from raysep.report.evidence import pixels

EXCERPT_SECONDS = 7.0
COLUMNS = 420  # of an outline
HIGHEST_RATE = 48_000  # Hz; what is above is no sound, and browsers differ in what they play
SQUEEZED = 0.8  # libsndfile's level of Vorbis: about 80 kbit/s in stereo
CHANNELS = 2


def rate_of(stem: Stem) -> int:
    """Hz at which it is listened to."""
    return min(stem.sample_rate, HIGHEST_RATE)


def whole(stem: Stem, sample_rate: int) -> np.ndarray:
    """``(channel, time)``, one or two channels. Raises ``AudioError``."""
    return read_stem(stem, sample_rate, min(CHANNELS, stem.channels))


def excerpt(stem: Stem, start: float, seconds: float, sample_rate: int) -> np.ndarray:
    """``(channel, time)`` of a part; only this part of the file is read where its format allows. Raises ``AudioError``.

    Of a file that was touched since it was scanned all is read: whether it holds the same is known by all of its bytes.
    """
    first, count = round(start * stem.sample_rate), round(seconds * stem.sample_rate)
    channels = min(CHANNELS, stem.channels)
    special = stem.parts or stem.problem or not stem.frames or streams.file_of(stem.uri)[1] is not None
    if special or (tags.is_known(stem.etag) and not identity.untouched([stem])[0]):
        audio = read_stem(stem, stem.sample_rate, channels)[:, first : first + count]
    else:
        try:
            with io.BufferedReader(storage.open_random(stem.uri), storage.BUFFER_BYTES) as source:
                audio = as_channels(decode(source, stem.uri, first, count), channels)
        except OSError as error:
            raise AudioError(f"{stem.uri}: cannot be read ({error})") from error
    return resample(audio, stem.sample_rate, sample_rate)


def mixed(stems: Iterable[Stem], start: float, seconds: float | None, sample_rate: int) -> tuple[np.ndarray, list[str]]:
    """The sum of a track's stems ``(channel, time)``, all or a part of it.

    And the labels of those that could not be read. Raises ``AudioError`` when none could.
    """
    total, unread = np.zeros((CHANNELS, 0), np.float32), []
    for stem in stems:
        try:
            audio = whole(stem, sample_rate) if seconds is None else excerpt(stem, start, seconds, sample_rate)
        except AudioError:
            unread.append(stem.stem)
            continue
        audio = as_channels(audio, CHANNELS)
        if audio.shape[1] > total.shape[1]:
            total = np.pad(total, ((0, 0), (0, audio.shape[1] - total.shape[1])))
        total[:, : audio.shape[1]] += audio
    if not total.shape[1]:
        raise AudioError("no stem of the track could be read")
    return total, unread


def within_scale(audio: np.ndarray) -> np.ndarray:
    """Turned down where it is beyond full scale, else as it is."""
    return audio / max(1.0, float(np.abs(audio).max(initial=0.0)))


def outline(audio: np.ndarray, sample_rate: int, columns: int = COLUMNS) -> Outline:
    """Of ``(channel, time)``, over all channels; the last column may be of fewer samples."""
    time = audio.shape[1]
    edges = np.linspace(0, time, min(columns, time) + 1).astype(int)[:-1]
    if not time:
        return Outline([], [], 0.0)
    low = np.minimum.reduceat(audio.min(axis=0), edges)
    high = np.maximum.reduceat(audio.max(axis=0), edges)
    return Outline(low.round(3).tolist(), high.round(3).tolist(), time / sample_rate)


def take(
    name: str,
    audio: np.ndarray,
    sample_rate: int,
    start: float = 0.0,
    span: tuple[float, float] | None = None,
    about: str = "",
    source: str = "",
) -> Take:
    """``audio`` ``(channel, time)`` with its pictures; inside the page unless it has another ``source``."""
    ticks = tuple((hertz(tick.hertz), round(tick.height, 4)) for tick in pixels.ticks(sample_rate))
    picture = pixels.picture(pixels.mel_levels(audio, sample_rate))
    source = source or data_address(encode(audio, sample_rate, "OGG", "VORBIS", SQUEEZED), "audio/ogg")
    return Take(name, source, start, outline(audio, sample_rate), picture, ticks, span, about)


def data_address(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def hertz(value: int) -> str:
    return f"{value // 1000} kHz" if value >= 1000 else f"{value} Hz"


def around(span: tuple[float, float], seconds: float, longest: float = EXCERPT_SECONDS) -> tuple[float, float]:
    """(start, length) in seconds of an excerpt with the span in its middle, inside a sound of ``seconds``."""
    length = min(longest, seconds)
    middle = (span[0] + span[1]) / 2
    return min(max(0.0, middle - length / 2), seconds - length), length
