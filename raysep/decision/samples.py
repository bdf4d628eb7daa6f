"""Scores in one dimension with how often each counts: a sample that is drawn again, or of which equal scores are put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEW = 4096  # scores that are worked on one by one
SQUEEZED = 64  # cells to a bandwidth: what a kernel density makes of a cell is what it makes of its mean, to 1e-6


@dataclass(frozen=True)
class Sample:
    """Scores ``values (k,)``, ascending, of which each counts ``counts (k,)`` times, more than 0."""

    values: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray | Sample, counts: np.ndarray | None = None) -> Sample:
        """From scores in any order; what counts 0 times is left out."""
        if isinstance(values, Sample):
            return values
        values = np.asarray(values, dtype=float)
        counts = np.ones(len(values)) if counts is None else np.asarray(counts, dtype=float)
        order = np.argsort(values, kind="stable")
        order = order[counts[order] > 0]
        return cls(values[order], counts[order])

    @property
    def size(self) -> float:
        return float(self.counts.sum())

    @property
    def spread(self) -> float:
        """Standard deviation."""
        centre = self.counts @ self.values / self.size
        return float(np.sqrt(self.counts @ np.square(self.values - centre) / self.size))

    def quantiles(self, shares: np.ndarray) -> np.ndarray:
        """As ``numpy.quantile`` gives them of the scores written out one by one."""
        place = (self.size - 1) * np.asarray(shares)
        passed = np.cumsum(self.counts)
        low, high = (
            self.values[np.minimum(np.searchsorted(passed, at, side="right"), len(passed) - 1)]
            for at in (np.floor(place), np.ceil(place))
        )
        return low + (high - low) * (place - np.floor(place))

    def below(self, at: np.ndarray, or_equal: bool = False) -> np.ndarray:
        """How many scores are below each of ``at (m,)``."""
        passed = np.concatenate([[0.0], np.cumsum(self.counts)])
        return passed[np.searchsorted(self.values, at, side="right" if or_equal else "left")]

    @property
    def weak(self) -> np.ndarray:
        """``(k,)``: how often each counts in the less suspect half, by rank; the middle one of an odd number is of the other."""
        return np.clip(self.size // 2 - (np.cumsum(self.counts) - self.counts), 0, self.counts)

    def halves(self) -> tuple[Sample, Sample]:
        """The less suspect half and the more suspect one."""
        return Sample.of(self.values, self.weak), Sample.of(self.values, self.counts - self.weak)


@dataclass(frozen=True)
class Squeezed:
    """Many scores ``(m,)``, ascending, as fewer ones: the means of those in each cell.

    ``begins (cell,)`` tells where each begins; None = each score by itself.
    """

    scores: np.ndarray
    begins: np.ndarray | None = None

    @classmethod
    def of(cls, scores: np.ndarray, bandwidth: float, apart: np.ndarray) -> Squeezed:
        """Cells of a ``SQUEEZED``-th of a bandwidth, the empty ones left out; ``FEW`` scores or less stay as they are.

        No cell lies on both sides of one of the scores ``apart (n,)``: what is counted up to one of them is exact.
        """
        if len(scores) <= FEW:
            return cls(scores)
        place = np.floor((scores - scores[0]) * (SQUEEZED / bandwidth)).astype(np.int64)
        side = np.searchsorted(np.sort(apart), scores, side="left")
        cell = place * (len(apart) + 1) + side  # ascending, too
        return cls(scores, np.flatnonzero(np.append(True, cell[1:] != cell[:-1])))

    def drawn(self, weights: np.ndarray | None = None) -> Sample:
        """The sample in which each score counts as often as ``weights (m,)`` say; None = once.

        A cell's mean is that of what is drawn: what it leaves out is of second order.
        """
        if self.begins is None:
            return Sample.of(self.scores, weights)
        weights = np.ones(len(self.scores)) if weights is None else weights
        counts = np.add.reduceat(weights, self.begins).astype(float)
        sums = np.add.reduceat(weights * self.scores, self.begins)
        return Sample.of(sums[counts > 0] / counts[counts > 0], counts[counts > 0])
