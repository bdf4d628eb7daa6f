"""A track's mixture file against its stems: whether it is their sum, and which stem comes early or late in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

SUM_DB = -30.0  # of what the stems do not explain: above it, the mixture is not their sum
MOST_LAG_SECONDS = 0.25
LAG_SECONDS = 60.0  # of the middle of a track tell a lag
CLEAR = 0.5  # correlation of a stem with what the others leave of the mixture: below it says nothing
BETTER = 0.05  # by which a lag must be better than none


class Fit(NamedTuple):
    gain_db: float  # at which the sum is laid into the mixture
    residual_db: float  # of what is left then, against the mixture; -120 at least


def fit(mixture: np.ndarray, total: np.ndarray) -> Fit:
    """How well the stems' sum ``(channel, time)`` explains the mixture, at the gain that does so best."""
    energy = float(np.square(total, dtype=np.float64).sum())
    own = float(np.square(mixture, dtype=np.float64).sum())
    if not energy or not own:
        return Fit(0.0, 0.0 if energy or own else -120.0)
    gain = float(np.multiply(mixture, total, dtype=np.float64).sum()) / energy
    left = float(np.square(mixture - np.float32(gain) * total, dtype=np.float64).sum())
    return Fit(20 * np.log10(max(abs(gain), 1e-6)), max(10 * np.log10(max(left / own, 1e-12)), -120.0))


def lags(mixture: np.ndarray, stems: Mapping[str, np.ndarray], sample_rate: int) -> dict[str, float]:
    """label → seconds by which a stem of ``(channel, time)`` comes after its part of the mixture, for those that do.

    Each is compared with what the others leave of the mixture: only there its own sound stands alone.
    """
    middle = slice(*_middle(mixture.shape[1], round(LAG_SECONDS * sample_rate)))
    mono = {label: audio[:, middle].mean(axis=0, dtype=np.float64) for label, audio in stems.items()}
    rest = mixture[:, middle].mean(axis=0, dtype=np.float64) - sum(mono.values())
    reach = round(MOST_LAG_SECONDS * sample_rate)
    found = {label: lag_of(own, rest + own, reach) / sample_rate for label, own in mono.items()}
    return {label: lag for label, lag in found.items() if lag}


def lag_of(stem: np.ndarray, part: np.ndarray, reach: int) -> int:
    """Samples by which ``stem (time,)`` comes after ``part (time,)``, at most ``reach`` either way; 0 when that is not clear."""
    from scipy.signal import correlate

    scale = np.linalg.norm(stem) * np.linalg.norm(part)
    if not scale or len(stem) <= 2 * reach:
        return 0
    curve = correlate(stem, part, mode="full", method="fft")[len(part) - 1 - reach : len(part) + reach] / scale
    peak = int(curve.argmax())
    return peak - reach if curve[peak] >= CLEAR and curve[peak] - curve[reach] >= BETTER else 0


def _middle(frames: int, length: int) -> tuple[int, int]:
    start = max(0, (frames - length) // 2)
    return start, min(frames, start + length)
