"""Loudness of a crop, and what counts as silence."""

from __future__ import annotations

import numpy as np

SILENCE_DBFS = -60.0  # a segment quieter than this carries no evidence


def rms_dbfs(audio: np.ndarray) -> float:
    """Root mean square over channels and time ``(channel, time)``, in dB relative to full scale."""
    power = float(np.mean(np.square(audio, dtype=np.float64))) if audio.size else 0.0
    return 10.0 * np.log10(max(power, 1e-20))


def is_audible(audio: np.ndarray) -> bool:
    """Whether float audio ``(channel, time)`` is louder than ``SILENCE_DBFS``, without a copy of it in float64."""
    samples = np.ascontiguousarray(audio).reshape(-1)
    return float(np.dot(samples, samples)) > samples.size * 10.0 ** (SILENCE_DBFS / 10.0)
