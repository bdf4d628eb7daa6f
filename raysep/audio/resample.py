"""Sample-rate conversion by soxr (accurate near Nyquist, where torchaudio's default filter is not)."""

from __future__ import annotations

import numpy as np


def resample(audio: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """``(channel, time)`` at ``source_rate`` Hz to ``(channel, time')`` at ``target_rate`` Hz, float32."""
    if source_rate == target_rate:
        return audio
    import soxr

    return np.ascontiguousarray(soxr.resample(audio.T, source_rate, target_rate, quality="HQ").T, dtype=np.float32)
