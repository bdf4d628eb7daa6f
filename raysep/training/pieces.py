"""A stem cut into the pieces that training holds in memory, without the spans that are not to be used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from raysep.corpus import segments
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem
from raysep.errors import AudioError
from raysep.training.samples import compact

LEAST = 0.25  # of a piece: what lies between two spans and is shorter is not worth a crop


def pieces(
    stem: Stem, frames: int, sample_rate: int, channels: int, spans: Iterable[tuple[float, float]] = ()
) -> Iterator[tuple[int, np.ndarray, str]]:
    """(start, ``compact`` samples ``(channel, n)``, error) for each piece of a stem, of ``frames`` samples or, at an end, fewer.

    No sample inside ``spans`` is in any of them. A stem that cannot be read is one piece of no samples with the error.
    """
    try:
        audio = compact(read_stem(stem, sample_rate, channels))
    except AudioError as error:
        yield 0, np.zeros((channels, 0), np.int16), str(error)
        return
    usable = between(audio.shape[1], spans, sample_rate)
    for begin, end in usable:
        if end - begin < LEAST * frames and end - begin < audio.shape[1]:
            continue
        for segment in segments.cut(end - begin, frames):
            start = begin + segment.start
            yield start, audio[:, start : start + segment.frames], ""


def between(total: int, spans: Iterable[tuple[float, float]], sample_rate: int) -> list[tuple[int, int]]:
    """What ``spans`` (seconds) leave of ``total`` samples, as (start, stop) in samples: rounded away from the spans."""
    at, left = 0, []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        first = min(total, math.floor(start * sample_rate))
        if first > at:
            left.append((at, first))
        at = max(at, math.ceil(stop * sample_rate))
    return [*left, (at, total)] if at < total else left
