"""Where further segments do most good: a thresholding bandit with a fixed budget, asked once after a first look.

A stem far from the boundary between keeping and removing is told by a segment or two, one near it needs about
``2 v / d² · log(1/δ)`` (variance ``v`` of its segments, distance ``d``). LSA (Tao, Blanco, Peng and Zhou 2019, "Thresholding
Bandit with Optimal Aggregate Regret", arXiv 1905.11046) always pulls the arm of the smallest

    index = T d² / v + ½ ln T          T = segments counted so far

and is optimal up to constants for the expected number of arms on the wrong side. Here segments come in one batch, so ``d``
and ``v`` stay those of the first look while ``T`` grows. Nothing is drawn: equal input gives equal output.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from raysep.corpus.hashing import stable_hash

PRIOR = 4.0  # segments that the common variance counts as, against a stem's own few


def allocate(
    stem_ids: Sequence[str],
    mean: np.ndarray,
    variance: np.ndarray,
    count: np.ndarray,
    unread: np.ndarray,
    boundary: np.ndarray | float,
    budget: int,
    seed: int = 0,
) -> np.ndarray:
    """How many further segments each stem gets ``(stem,)``, int64; in all ``min(budget, unread.sum())``.

    Args:
        stem_ids: a different one for each stem.
        mean: of the segments' scores seen so far; NaN = nothing known, taken to lie on the boundary.
        variance: of a single segment's score, finite and not negative.
        count: segments that ``mean`` is of.
        unread: segments that are left in each stem.
        boundary: score at which a stem changes sides; one for all, or one for each.
        budget: further segments, over all stems.
        seed: of the order among stems of equal index, which goes by a hash of seed and stem_id: never by place.

    Raises:
        ValueError: a negative budget, count or variance, or a stem twice.
    """
    mean, variance = np.asarray(mean, dtype=float), np.asarray(variance, dtype=float)
    count, unread = np.asarray(count, dtype=np.int64), np.asarray(unread, dtype=np.int64)
    if budget < 0 or (count < 0).any() or (unread < 0).any() or not (variance >= 0).all():
        raise ValueError("budget, counts and variances must be 0 or more")
    if len(set(stem_ids)) < len(stem_ids):
        raise ValueError("a stem is there twice")
    distance = np.abs(np.where(np.isfinite(mean), mean - np.asarray(boundary, dtype=float), 0.0))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        evidence = distance**2 / variance  # of one segment
    evidence = np.where(distance == 0, 0.0, evidence)  # on the boundary no precision tells the side
    ties = [stable_hash(f"{seed}/{name}") for name in stem_ids]
    given = np.zeros(len(unread), dtype=np.int64)
    queue = [(_index(evidence[i], count[i]), ties[i], i) for i in np.flatnonzero(unread)]
    heapq.heapify(queue)
    for _ in range(min(budget, int(unread.sum()))):
        _, tie, i = queue[0]
        given[i] += 1
        if given[i] < unread[i]:
            heapq.heapreplace(queue, (_index(evidence[i], count[i] + given[i]), tie, i))
        else:
            heapq.heappop(queue)
    return given


def segment_variance(squares: np.ndarray, count: np.ndarray, prior: float = PRIOR) -> np.ndarray:
    """Variance of a single segment's score in each stem ``(stem,)``, drawn towards the one all stems have in common.

    Two or three segments say little about a stem's own variance, and by chance nothing at all: two equal ones would call
    it certain. So the common variance counts as ``prior`` further segments (the posterior mean scale of a conjugate prior).

    Args:
        squares: each stem's sum of squared deviations from its own mean; anything where ``count`` is below 2.
        count: segments of each stem.
    """
    free = np.maximum(np.asarray(count) - 1, 0)
    squares = np.where(free > 0, squares, 0.0)
    common = squares.sum() / free.sum() if free.sum() else 1.0
    return (prior * common + squares) / (prior + free)


def _index(evidence: float, count: int) -> float:
    return float(count * evidence + 0.5 * np.log(count)) if count else -np.inf


def reading_order(count: int, first: int) -> np.ndarray:
    """All of ``count`` positions: ``first`` spread evenly, then always the one farthest from those before it.

    Whatever number is read from the front is spread over the whole stem; of equally far ones the earliest comes first.
    """
    places = np.arange(count)
    order = sorted({int((k + 0.5) * count / first) for k in range(min(first, count))})
    nearest = np.full(count, count)
    for place in order:
        nearest = np.minimum(nearest, abs(places - place))
    while len(order) < count:
        order.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, abs(places - order[-1]))
    return np.array(order, dtype=np.int64)


def first_of(audible: np.ndarray, number: int, first: int) -> np.ndarray:
    """Which segments ``(segment,)`` are read when a stem gets ``number`` of them: its first audible ones in reading order."""
    order = reading_order(len(audible), first)
    chosen = np.zeros(len(audible), dtype=bool)
    chosen[order[audible[order]][:number]] = True
    return chosen
