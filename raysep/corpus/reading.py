"""A stem's samples in the form that networks want: float32, a given rate, a given number of channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raysep.audio.channels import as_channels
from raysep.audio.files import decode
from raysep.audio.resample import resample
from raysep.corpus import identity, manifest, segments, storage
from raysep.corpus.manifest import Stem
from raysep.corpus.segments import Drawn
from raysep.errors import AudioError


def read_stem(stem: Stem, sample_rate: int, channels: int = 2) -> np.ndarray:
    """The whole stem as ``(channel, time)`` at ``sample_rate`` Hz. Raises ``AudioError`` naming the URI.

    A file that holds other bytes, or fewer samples, than the manifest says is an error, never another or a shorter stem.
    """
    try:
        data = storage.read_bytes(stem.uri)
        audio = decode(data, stem.uri)
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
    check_content(stem, data)
    return as_channels(resample(audio, stem.sample_rate, sample_rate), channels)


def check_content(stem: Stem, data: bytes) -> None:
    """Raise ``AudioError`` when these are not the bytes of the file that was scanned. One cut off since is told as such first."""
    if identity.is_other(stem, identity.of_bytes(data)):
        raise AudioError(f"{stem.uri}: the file changed since the scan: scan again into a new run")


def read_segments(
    drawn: Drawn,
    labels: Sequence[str],
    sample_rate: int,
    channels: int,
    length: int,
    most: int | None = None,
) -> tuple[np.ndarray, int]:
    """``(n, stem, channel, time)`` drawn segments in track order; and how many tracks could not be read.

    ``length`` (samples) and ``most`` are what the segments were listed with.
    """
    found, skipped = [], 0
    for track, parts in manifest.tracks_of(drawn.stems).items():
        try:
            audio = [read_stem(parts[label], sample_rate, channels) for label in labels]
        except AudioError:
            skipped += 1  # the scoring pass reports the stem as failed
            continue
        cuts = {s.index: s for s in segments.cut(audio[0].shape[1], length, most)}
        found += [
            np.stack([segments.crop(a, cuts[i], length) for a in audio]) for i in drawn.chosen[track] if i in cuts
        ]
    if not found:
        return np.zeros((0, len(labels), channels, length), np.float32), skipped
    return np.stack(found), skipped
