"""What anybody can check in the samples of each second of a stem: gaps and flat tops, so that a fault has a place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from raysep.probes import signal

GAPS, FLAT = "gaps-by-second", "flat-by-second"
# Lists of a number for each second, in a row of scores: of those that begin in its segment, or after it and before the next one's.
BY_SECOND = (GAPS, FLAT)


def by_second(audio: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """``BY_SECOND`` of ``(channel, time)``, each ``(second,)``: the share in digital silence as of ``signal.gaps``, and the share of
    the samples on flat tops; higher = more suspect. The last second may be a part of one; none of a stem of no samples.
    """
    time = audio.shape[1]
    if not time:
        return {name: np.zeros(0) for name in BY_SECOND}
    gap = np.zeros(time)
    for start, stop in signal.gaps(audio, sample_rate) if audio.any() else ():
        gap[start:stop] = 1.0
    edges = np.arange(0, time, sample_rate)
    counts = np.diff([*edges, time])
    flat = signal.flat_tops(audio).mean(axis=0)
    return {
        name: (np.add.reduceat(shares, edges) / counts) for name, shares in zip(BY_SECOND, (gap, flat), strict=True)
    }


def owned(starts: Sequence[float], seconds: int) -> list[slice]:
    """Of each segment, by where these begin (seconds), the seconds of a stem that stand in its row: all of them in one row each."""
    edges = [0, *(min(seconds, math.ceil(start)) for start in starts[1:]), seconds]
    return [slice(first, last) for first, last in pairwise(edges)]
