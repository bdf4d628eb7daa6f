"""How a score ranks the corrupted stems above the clean ones: AUROC and average precision, for all bootstrap draws at once.

AUROC is the Mann-Whitney statistic with mid-ranks: a tie between a corrupted and a clean stem counts one half.
"""

from __future__ import annotations

import numpy as np

CLEAN = "clean"  # the kind of an untouched stem


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive scores above a negative, ties one half; NaN without either."""
    positive = np.asarray(positive, dtype=bool)
    return float(weighted_ranking(score, positive, ~positive, np.ones((1, len(positive))))[0][0])


def average_precision(score: np.ndarray, positive: np.ndarray) -> float:
    """Precision averaged over the positives in order of falling score; equal scores enter together; NaN without positives."""
    positive = np.asarray(positive, dtype=bool)
    return float(weighted_ranking(score, positive, ~positive, np.ones((1, len(positive))))[1][0])


def weighted_ranking(
    score: np.ndarray, positive: np.ndarray, negative: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AUROC and average precision ``(draw,)`` of scores ``(row,)`` under row weights ``(draw, row)``.

    One sort serves all draws: each tie group's weight, then cumulative sums.
    """
    weights = np.asarray(weights, dtype=float)
    used = np.asarray(positive, dtype=bool) | np.asarray(negative, dtype=bool)
    if not used.any():
        return np.full(len(weights), np.nan), np.full(len(weights), np.nan)
    order = np.flatnonzero(used)[np.argsort(-np.asarray(score, dtype=float)[used], kind="stable")]
    ranked = np.asarray(score, dtype=float)[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    hits = np.add.reduceat(weights[:, order] * np.asarray(positive, dtype=bool)[order], starts, axis=1)
    misses = np.add.reduceat(weights[:, order] * np.asarray(negative, dtype=bool)[order], starts, axis=1)
    hits_so_far, misses_so_far = hits.cumsum(axis=1), misses.cumsum(axis=1)
    all_hits, all_misses = hits_so_far[:, -1], misses_so_far[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        misses_below = all_misses[:, None] - misses_so_far
        area = (hits * (misses_below + misses / 2)).sum(axis=1) / (all_hits * all_misses)
        found = hits_so_far + misses_so_far
        precision = np.divide(hits_so_far, found, out=np.zeros_like(found), where=found > 0)
        return area, (hits * precision).sum(axis=1) / all_hits


def roc_points(score: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> list[tuple[float, float]]:
    """Corners of the ROC curve from (0, 0) to (1, 1); a tie is a slanted edge. Empty without positives or negatives."""
    score = np.asarray(score, dtype=float)
    positives, negatives = np.sort(score[positive]), np.sort(score[negative])
    if not len(positives) or not len(negatives):
        return []
    cuts = np.unique(np.r_[positives, negatives])[::-1]
    true = 1 - np.searchsorted(positives, cuts, side="left") / len(positives)
    false = 1 - np.searchsorted(negatives, cuts, side="left") / len(negatives)
    return [(0.0, 0.0), *zip(false.tolist(), true.tolist(), strict=True)]


def finite_mean(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean over the first axis of what is finite, by ``weights`` of that axis; NaN where nothing is (or weighs nothing)."""
    finite = np.isfinite(values)
    shares = finite * (np.ones(len(values)) if weights is None else weights)[:, None]
    total = (np.where(finite, values, 0.0) * shares).sum(axis=0)
    whole = shares.sum(axis=0)
    return np.divide(total, whole, out=np.full(values.shape[1], np.nan), where=whole > 0)
