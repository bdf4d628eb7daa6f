"""Loudness of a crop, and what counts as silence."""

from __future__ import annotations

import numpy as np

SILENCE_DBFS = -60.0  # a segment quieter than this carries no evidence
BLOCK = 1 << 14  # samples that stay in the cache
QUIETEST_DBFS = -100.0  # of a residue: about the rounding noise of 16 bit; what is below it says nothing more


def rms_dbfs(audio: np.ndarray) -> float:
    """Root mean square over channels and time ``(channel, time)``, in dB relative to full scale."""
    return 10.0 * np.log10(max(_mean_square(audio), 1e-20))


def _mean_square(audio: np.ndarray) -> float:
    """In float64, which is held of a block at a time; 0 of nothing."""
    total = 0.0
    for channel in np.atleast_2d(audio):
        for at in range(0, len(channel), BLOCK):
            block = channel[at : at + BLOCK].astype(np.float64)
            total += float(np.dot(block, block))
    return total / max(1, audio.size)


def is_audible(audio: np.ndarray) -> bool:
    """Whether float audio ``(channel, time)`` is louder than ``SILENCE_DBFS``, without a copy of it in float64."""
    samples = np.ascontiguousarray(audio).reshape(-1)
    return float(np.dot(samples, samples)) > samples.size * 10.0 ** (SILENCE_DBFS / 10.0)


def is_silent(audio: np.ndarray) -> bool:
    """Whether float audio ``(channel, time)`` is at or below ``SILENCE_DBFS``; what holds NaN or Inf is neither."""
    return not is_audible(audio) and bool(np.isfinite(audio).all())


def residue_dbfs(reference: np.ndarray, estimate: np.ndarray) -> float:
    """What an estimate leaves where its reference is silent: its RMS in dBFS, higher = worse; NaN for an audible one.

    Never below ``QUIETEST_DBFS``: of two residues that nobody can hear, digital zero would move a mean by tens of dB.
    """
    # numpy's maximum, for a NaN in the estimate must not become the best of all levels.
    return float(np.maximum(QUIETEST_DBFS, rms_dbfs(estimate))) if is_silent(reference) else np.nan
