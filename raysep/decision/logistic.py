"""A ridge logistic model: the log-odds of being positive, a straight line in some columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEWTON_STEPS, TOLERANCE = 100, 1e-8
ENOUGH = 0.1  # of a step's length, that the next one has at most as long as a curvature is good enough
AT_ONCE = 1 << 12  # rows whose weighed columns are held
ROUNDING = 1e-12  # of a loss


@dataclass(frozen=True)
class Odds:
    """Log-odds of being positive, to be added to those that were known before."""

    slope: np.ndarray  # (column,)
    level: float

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """``(row,)`` of ``columns (row, column)``."""
        return columns @ self.slope + self.level

    @classmethod
    def fitted(
        cls,
        columns: np.ndarray,
        positive: np.ndarray,
        weights: np.ndarray,
        penalty: float,
        prior: np.ndarray | None = None,
        start: Odds | None = None,
    ) -> Odds:
        """The model that explains ``positive (row,)`` best, for rows that weigh ``weights``.

        ``prior (row,)``: log-odds that are there before anything is learnt; the model learns what to add. ``start``: a model that
        is near, from which the search is shorter; its end is the same. By Newton's method: the problem is strictly convex, a
        hundred columns wide at most, and scikit-learn's own takes no such offset. A curvature costs as much as ten steps, so it
        is used as long as each step is a tenth of the one before.
        """
        prior = np.zeros(len(columns)) if prior is None else prior
        target = positive.astype(float)
        ridge = np.append(np.full(columns.shape[1], penalty), 0.0)  # the intercept is free
        slope = np.zeros(len(ridge)) if start is None else np.append(start.slope, start.level)

        def loss(slope: np.ndarray) -> tuple[float, np.ndarray]:
            odds = columns @ slope[:-1] + (slope[-1] + prior)
            return float(weights @ (np.logaddexp(0, odds) - target * odds) + 0.5 * ridge @ slope**2), odds

        reached, odds = loss(slope)
        curvature, before = np.zeros(0), 0.0
        for _ in range(NEWTON_STEPS):
            p = 1 / (1 + np.exp(-np.clip(odds, -35, 35)))
            pull = weights * (p - target)
            gradient = np.append(pull @ columns, pull.sum()) + ridge * slope
            if not before:
                curvature = _curvature(columns, np.maximum(weights * p * (1 - p), 1e-12)) + np.diag(ridge)
            step = np.linalg.solve(curvature, gradient)
            whole = float(np.abs(step).max())
            found, there = loss(slope - step)
            while found > reached * (1 + ROUNDING) and np.abs(step).max() > TOLERANCE:
                step /= 2
                found, there = loss(slope - step)
            slope, reached, odds = slope - step, found, there
            moved = float(np.abs(step).max())
            if moved <= TOLERANCE:
                break
            # A step that was cut short, or is not much shorter than the one before, says that the curvature is another one here.
            before = moved if moved == whole and (not before or moved <= ENOUGH * before) else 0.0
        return cls(slope[:-1], float(slope[-1]))


def _curvature(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """``Σ weight · x xᵀ`` of the rows x of ``columns`` with a 1 behind them: ``(column + 1, column + 1)``."""
    width = columns.shape[1]
    total = np.zeros((width + 1, width + 1))
    root = np.sqrt(weights)[:, None]
    for first in range(0, len(columns), AT_ONCE):
        weighed = columns[first : first + AT_ONCE] * root[first : first + AT_ONCE]
        total[:-1, :-1] += weighed.T @ weighed  # of one matrix, so that only half of it is computed
    total[-1, :-1] = total[:-1, -1] = weights @ columns
    total[-1, -1] = weights.sum()
    return total
