"""Loudness of a crop, and what counts as silence."""

from __future__ import annotations

import numpy as np

SILENCE_DBFS = -60.0  # a segment quieter than this carries no evidence


def rms_dbfs(audio: np.ndarray) -> float:
    """Root mean square over channels and time ``(channel, time)``, in dB relative to full scale."""
    power = float(np.mean(np.square(audio, dtype=np.float64))) if audio.size else 0.0
    return 10.0 * np.log10(max(power, 1e-20))


def is_audible(audio: np.ndarray) -> bool:
    return rms_dbfs(audio) > SILENCE_DBFS
