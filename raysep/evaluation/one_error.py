"""The simplest that is as good as the best: the rule of one standard error, on songs that all candidates were judged on.

The rule is that of Breiman et al. ("Classification and Regression Trees", 1984). Candidates are judged on the same songs,
so what counts is the standard error of the difference to the best, song by song. That of the mean itself is mostly how
much songs differ: by it, next to anything would be as good as the best.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysep.evaluation.crossed import aligned


@dataclass(frozen=True)
class Shortfall:
    """By how much a candidate is below the best one, in the unit of the values, and the standard error of that."""

    below: float
    error: float

    @property
    def is_none(self) -> bool:
        """Whether it is within one standard error; one that is not known excuses nothing."""
        return self.below <= (self.error if np.isfinite(self.error) else 0.0)


def standard_error(values: np.ndarray) -> float:
    """Of the mean of ``values (seed, song)``, songs and seeds both drawn at random; NaN for fewer than two songs.

    The moment estimate of a crossed design (Owen 2007): (songs' mean square + seeds' - the residual's) / count. With one seed
    it is the usual one over songs, and knows nothing of seed noise.
    """
    values = np.asarray(values, dtype=float)
    seeds, songs = values.shape
    if songs < 2:
        return float("nan")
    by_song = values.mean(axis=0).var(ddof=1) / songs
    if seeds < 2:
        return float(np.sqrt(by_song))
    by_seed = values.mean(axis=1).var(ddof=1) / seeds
    residual = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    rest = (residual**2).sum() / ((seeds - 1) * (songs - 1)) / (seeds * songs)
    return float(np.sqrt(max(by_song + by_seed - rest, by_song, by_seed)))


def on_the_same(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``(seed, song)`` of each candidate from its ``(seed, song, stem)``: the mean over the stems that all of them have.

    A song or stem without a finite value for one of them, as where the reference is silent, is left out of all.
    """
    arms = aligned(*values.values())
    return {name: np.nanmean(arm, axis=2) for name, arm in zip(values, arms, strict=True)}


def shortfalls(values: Mapping[str, np.ndarray], best: str) -> dict[str, Shortfall]:
    """Of every candidate ``(seed, song)`` from the one named ``best``: same seeds, same songs."""
    gaps = {name: values[best] - each for name, each in values.items()}
    return {name: Shortfall(float(gap.mean()), standard_error(gap)) for name, gap in gaps.items()}


def simplest(found: Mapping[str, Shortfall], complexity: Callable[[str], Any]) -> str:
    """The least complex of those that are not below the best by more than one standard error."""
    return min((name for name, shortfall in found.items() if shortfall.is_none), key=complexity)
