"""A stem's samples in the form that networks want: float32, a given rate, a given number of channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raysep.audio.files import decode
from raysep.audio.resample import resample
from raysep.corpus import manifest, segments, storage
from raysep.corpus.manifest import Stem
from raysep.corpus.segments import Drawn
from raysep.errors import AudioError


def read_stem(stem: Stem, sample_rate: int, channels: int = 2) -> np.ndarray:
    """The whole stem as ``(channel, time)`` at ``sample_rate`` Hz. Raises ``AudioError`` naming the URI.

    A file that holds fewer samples than the manifest says is an error, never a shorter or silent stem.
    """
    try:
        audio = decode(storage.read_bytes(stem.uri), stem.uri)
    except OSError as error:
        raise AudioError(f"{stem.uri}: cannot be read ({error})") from error
    if not stem.frames:  # the scan could not use it either: nothing has changed
        if not audio.shape[1]:
            raise AudioError(f"{stem.uri}: holds no samples; replace or remove the file")
        raise AudioError(f"{stem.uri}: could not be read when the corpus was scanned, but can be now; scan it again")
    if audio.shape != (stem.channels, stem.frames):
        raise AudioError(
            f"{stem.uri}: {audio.shape[0]} channels of {audio.shape[1]} samples, but the manifest says "
            f"{stem.channels} of {stem.frames}; the file changed since the scan: scan again into a new run"
        )
    return as_channels(resample(audio, stem.sample_rate, sample_rate), channels)


def as_channels(audio: np.ndarray, channels: int) -> np.ndarray:
    """Mono spread over the channels, or the channels' mean as mono; other counts keep the first ``channels``."""
    if audio.shape[0] == channels:
        return audio
    if channels == 1:
        return audio.mean(axis=0, keepdims=True)
    if audio.shape[0] == 1:
        return np.repeat(audio, channels, axis=0)
    return audio[:channels]


def to_int16(audio: np.ndarray) -> np.ndarray:
    """Half the memory of float32; the inverse of dividing by 32768, rounded and clipped."""
    return np.clip(np.rint(audio * 32768.0), -32768, 32767).astype(np.int16)


def read_segments(
    drawn: Drawn,
    labels: Sequence[str],
    sample_rate: int,
    channels: int,
    length: int,
    most: int | None = None,
) -> tuple[np.ndarray, dict[str, str]]:
    """``(n, stem, channel, time)`` drawn segments in track order; and the stems that could not be read: stem_id → why.

    A track with such a stem is left out. ``length`` (samples) and ``most`` are what the segments were listed with.
    """
    found: list[np.ndarray] = []
    unread: dict[str, str] = {}
    for track, parts in manifest.tracks_of(drawn.stems).items():
        audio = []
        for label in labels:
            try:
                audio.append(read_stem(parts[label], sample_rate, channels))
            except AudioError as error:
                unread[parts[label].stem_id] = str(error)
        if len(audio) < len(labels):
            continue
        cuts = {s.index: s for s in segments.cut(audio[0].shape[1], length, most)}
        found += [
            np.stack([segments.crop(a, cuts[i], length) for a in audio]) for i in drawn.chosen[track] if i in cuts
        ]
    if not found:
        return np.zeros((0, len(labels), channels, length), np.float32), unread
    return np.stack(found), unread
