"""Conformal p-values against clean calibration scores, and Benjamini-Hochberg on them.

Everywhere here: higher score = more suspect. Bates, Candès, Lei, Romano & Sesia, "Testing for outliers with conformal
p-values" (2023, arXiv 2104.08279): p-values that share a calibration set are positively dependent, so that
Benjamini-Hochberg controls the false discovery rate at ``level × (1 - share)``, if clean scores are exchangeable.
"""

from __future__ import annotations

import numpy as np

from raysep.decision.samples import Sample


def p_values(calibration: np.ndarray | Sample, judged: np.ndarray) -> np.ndarray:
    """``p = (1 + #{calibration ≥ judged}) / (n + 1)``, ``(judged,)``; small = suspect; 1 throughout when n = 0."""
    known = Sample.of(calibration)
    return (1 + known.size - known.below(np.asarray(judged, dtype=float))) / (known.size + 1)


def adjusted(p: np.ndarray, clean_share: float = 1.0) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values ``(n,)``: the smallest level at which each is rejected.

    ``clean_share`` below 1 is Storey's refinement: the level is spent only on the stems that are clean.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    scaled = clean_share * p[order] * len(p) / np.arange(1, len(p) + 1)
    result = np.empty_like(p)
    result[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return result


def benjamini_hochberg(p: np.ndarray, level: float, clean_share: float = 1.0) -> np.ndarray:
    """Which hypotheses "this stem is clean" are rejected at the false discovery rate ``level``: bool ``(n,)``."""
    return adjusted(p, clean_share) <= level


def calibration_needed(level: float, share: float) -> int:
    """Clean calibration stems below which Benjamini-Hochberg can reject nothing: ``1 / (level × share) - 1``.

    With n calibration stems the smallest p-value is 1 / (n + 1); rejecting the suspect ``share`` needs it below level × share.
    """
    return int(np.ceil(round(1 / (level * share) - 1, 9)))
