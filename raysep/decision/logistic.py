"""A ridge logistic model: the log-odds of being positive, a straight line in some columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEWTON_STEPS, TOLERANCE = 50, 1e-8


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
    ) -> Odds:
        """The model that explains ``positive (row,)`` best, for rows that weigh ``weights``.

        ``prior (row,)``: log-odds that are there before anything is learnt; the model learns what to add. By Newton's method:
        the problem is strictly convex, a hundred columns wide at most, and scikit-learn's own takes no such offset.
        """
        prior = np.zeros(len(columns)) if prior is None else prior
        x = np.ones((len(columns), columns.shape[1] + 1))
        x[:, :-1] = columns
        weighed = np.empty_like(x)
        target = positive.astype(float)
        ridge = np.append(np.full(columns.shape[1], penalty), 0.0)  # the intercept is free
        slope = np.zeros(x.shape[1])

        def loss(slope: np.ndarray) -> tuple[float, np.ndarray]:
            odds = x @ slope + prior
            return float(weights @ (np.logaddexp(0, odds) - target * odds) + 0.5 * ridge @ slope**2), odds

        reached, odds = loss(slope)
        for _ in range(NEWTON_STEPS):
            p = 1 / (1 + np.exp(-np.clip(odds, -35, 35)))
            gradient = (weights * (p - target)) @ x + ridge * slope
            np.multiply(x, np.sqrt(np.maximum(weights * p * (1 - p), 1e-12))[:, None], out=weighed)
            curvature = weighed.T @ weighed + np.diag(ridge)  # of one matrix, so that only half of it is computed
            step = np.linalg.solve(curvature, gradient)
            found, there = loss(slope - step)
            while found > reached and np.abs(step).max() > TOLERANCE:
                step /= 2
                found, there = loss(slope - step)
            slope, reached, odds = slope - step, found, there
            if np.abs(step).max() <= TOLERANCE:
                break
        return cls(slope[:-1], float(slope[-1]))
