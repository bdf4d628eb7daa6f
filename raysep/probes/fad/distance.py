"""The Fréchet distance between one stem's few frames and a reference, exact and fast.

    d = ‖μ_r - μ_s‖² + Tr Σ_r + Tr Σ_s - 2 Tr (Σ_r Σ_s)^½

With Σ_r = F Fᵀ and Σ_s = Yᵀ Y, where Y are the stem's centred frames over √(n-1), the non-zero eigenvalues of Σ_r Σ_s
are those of (Y F)(Y F)ᵀ, hence Tr (Σ_r Σ_s)^½ = ‖Y F‖_*, the sum of the singular values of an n × rank matrix
(the identity of Mathiasen and Hvilshøj, arXiv 2009.14075). No matrix square root, nothing complex.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from raysep.probes.fad.statistics import ReferenceStatistics

SAFE_CONDITION = 1e-9  # smallest / largest eigenvalue of a Gram matrix whose square roots keep 1e-11 of the largest
AT_ONCE = 256  # stems of equal length in one batch: bounds memory


def frechet_distance(frames: np.ndarray, reference: ReferenceStatistics) -> float:
    """Of ``(n, dimension)`` frames, n ≥ 2, to the reference; higher = further from it. ``ValueError`` for n < 2."""
    return float(frechet_distances([frames], reference)[0])


def frechet_distances(stems: Sequence[np.ndarray], reference: ReferenceStatistics) -> np.ndarray:
    """``(stem,)`` distances of many stems' ``(n, dimension)`` frames; stems of equal n are computed together."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, frames in enumerate(stems):
        if frames.ndim != 2 or frames.shape[1] != reference.dimension:
            raise ValueError(f"frames must be (n, {reference.dimension}), not {frames.shape}")
        if len(frames) < 2:
            raise ValueError(f"a Fréchet distance needs at least two frames, not {len(frames)}")
        by_length[len(frames)].append(index)
    distances = np.empty(len(stems))
    for indices in by_length.values():
        for first in range(0, len(indices), AT_ONCE):
            chosen = indices[first : first + AT_ONCE]
            distances[chosen] = _equal_lengths(np.stack([stems[i] for i in chosen]), reference)
    return distances


def _equal_lengths(frames: np.ndarray, reference: ReferenceStatistics) -> np.ndarray:
    """``(stem,)`` distances of ``(stem, n, dimension)`` frames."""
    offset = frames.astype(np.float64) - reference.mean
    shift = offset.mean(axis=1)
    own = np.square(offset - shift[:, None]).sum(axis=(1, 2)) / (frames.shape[1] - 1)
    overlap = nuclear_norms(offset @ reference.factor) / np.sqrt(frames.shape[1] - 1)
    distances = np.square(shift).sum(axis=1) + own + np.trace(reference.covariance) - 2.0 * overlap
    return np.maximum(distances, 0.0)  # negative by rounding only


def nuclear_norms(rows: np.ndarray) -> np.ndarray:
    """``(stem,)`` sums of the singular values of ``(stem, n, rank)`` once centred over n.

    The smaller Gram matrix gives them ten times faster than a singular value decomposition, at full accuracy unless
    it is close to singular (a stem that repeats itself to the sample): those few take the slow route.
    """
    stems, n, rank = rows.shape
    if not rank:
        return np.zeros(stems)
    if n - 1 <= rank:
        # Contrasts rather than the mean subtracted: the same scatter, without the structural zero eigenvalue.
        centred = helmert(n) @ rows
        gram = centred @ centred.transpose(0, 2, 1)
    else:
        centred = rows - rows.mean(axis=1, keepdims=True)
        gram = centred.transpose(0, 2, 1) @ centred
    values = np.maximum(np.linalg.eigvalsh(gram), 0.0)
    norms = np.sqrt(values).sum(axis=1)
    for stem in np.flatnonzero(values[:, 0] < SAFE_CONDITION * values[:, -1]):
        norms[stem] = np.linalg.svd(centred[stem], compute_uv=False).sum()
    return norms


@lru_cache(maxsize=128)
def helmert(n: int) -> np.ndarray:
    """``(n - 1, n)`` orthonormal contrasts: row k compares item k + 1 with the mean of those before it."""
    k = np.arange(1, n)[:, None]
    below = np.arange(n)[None, :] < k
    contrast = np.where(below, 1.0, 0.0) / np.sqrt(k * (k + 1))
    contrast[np.arange(n - 1), np.arange(1, n)] = -np.sqrt(k[:, 0] / (k[:, 0] + 1))
    contrast.setflags(write=False)
    return contrast
