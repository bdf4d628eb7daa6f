"""Intervals for figures measured on songs: the song, not the stem or the segment, is what was drawn at random.

Percentile bootstrap throughout (Efron & Tibshirani 1993). A draw on which the statistic is undefined (NaN: for example an
AUROC without positives) is left out of the interval and counted in ``Interval.undefined``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A figure with the bounds of its central ``level`` interval; NaN bounds when it cannot be drawn."""

    estimate: float
    low: float
    high: float
    level: float = 0.95
    draws: int = 0
    undefined: int = 0  # draws on which the statistic was NaN

    def to_dict(self) -> dict:
        return asdict(self)


def interval_of(estimate: float, draws: np.ndarray, level: float = 0.95) -> Interval:
    """The percentile interval of ``draws (draw,)`` around ``estimate``."""
    draws = np.asarray(draws, dtype=float)
    finite = draws[np.isfinite(draws)]
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2]) if len(finite) else (np.nan, np.nan)
    return Interval(float(estimate), float(low), float(high), level, len(draws), len(draws) - len(finite))


def cluster_weights(groups: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """How often each row is drawn when whole groups are drawn with replacement: int ``(draw, row)``.

    Rows of one group always share their count. The draw depends on the set of groups and the seed, not on the order of rows.
    """
    drawn = list(drawn_weights(np.asarray(groups).astype(str), draws, seed))
    return np.stack(drawn) if drawn else np.zeros((0, len(groups)), dtype=np.int64)


def drawn_weights(groups: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """The same, one draw after another: int ``(row,)``. Groups are names, or numbers in the order of their names."""
    names, inverse = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng([seed, 0xB007])
    alike = np.full(len(names), 1 / len(names))
    return (rng.multinomial(len(names), alike)[inverse] for _ in range(draws))


def cluster_bootstrap(
    statistic: Callable[[np.ndarray], float], groups: np.ndarray, draws: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The interval of ``statistic(rows)``, where ``rows`` are integer row numbers, repeated as often as drawn."""
    groups = np.asarray(groups)
    rows = np.arange(len(groups))
    drawn = [statistic(np.repeat(rows, weight)) for weight in cluster_weights(groups, draws, seed)]
    return interval_of(statistic(rows), np.array(drawn), level)
