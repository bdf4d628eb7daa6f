"""Bleedless and fullness: what an estimate has too much of, and what it lacks, on a decibel mel spectrogram.

The pair that the training framework of R. Solovyev ("MSST", ZFTurbo/Music-Source-Separation-Training, ``utils/metrics.py``)
reports: SDR cannot tell a leak of another instrument from a hole.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from raysep.audio import mel
from raysep.evaluation.sdr import as_rate, as_signals

if TYPE_CHECKING:
    from scipy.sparse import csr_array

N_FFT, HOP, MELS = 4096, 1024, 512
AMIN, RANGE_DB = 1e-10, 80.0  # quieter than RANGE_DB below a signal's loudest point counts as that
BLOCK = 256  # frames at a time


def bleedless_fullness(references: ArrayLike, estimates: ArrayLike, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Bleedless ``(stem,)`` and fullness ``(stem,)`` of ``(stem, sample, channel)`` signals, each in (0, 100].

    With d the estimate's level minus the reference's in dB, over mel bands, frames and channels: 100 / (1 + mean d where
    d > 0) and 100 / (1 - mean d where d < 0). The mean is over those places only, so a single loud leak into an otherwise
    exact estimate costs as much as one everywhere: the pair is for comparing models, not for finding faults. Both are
    NaN for a stem of which either signal holds a sample that is not finite. Raises ``ValueError`` when the shapes differ,
    and for a sample rate that is no positive integer.
    """
    references, estimates = as_signals(references, estimates)
    sample_rate = as_rate(sample_rate)
    with np.errstate(invalid="ignore", over="ignore"):
        pairs = [
            _scores(mel_decibels(estimate, sample_rate) - mel_decibels(reference, sample_rate))
            for reference, estimate in zip(references, estimates, strict=True)
        ]
    bleedless, fullness = np.array(pairs).T
    return bleedless, fullness


def _scores(difference: np.ndarray) -> tuple[float, float]:
    if not np.isfinite(difference).all():  # NaN is neither more nor less: it would pass for perfect
        return np.nan, np.nan
    more, less = difference[difference > 0], difference[difference < 0]
    return (
        100.0 / (1.0 + (more.mean(dtype=np.float64) if more.size else 0.0)),
        100.0 / (1.0 - (less.mean(dtype=np.float64) if less.size else 0.0)),
    )


def mel_decibels(signal: np.ndarray, sample_rate: int) -> np.ndarray:
    """``(sample, channel)`` -> float32 ``(channel, frame, mel)`` in dB, raised to 80 dB below its maximum.

    Frames are centred on every 1024th sample, the signal is continued by zeros; periodic Hann window, magnitudes.
    """
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    bank = _mel_bank(sample_rate).T.tocsr()
    padded = np.pad(signal.astype(np.float32).T, ((0, 0), (N_FFT // 2, N_FFT // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT, axis=1)[:, ::HOP]  # (channel, frame, sample)
    result = np.empty((*frames.shape[:2], MELS), np.float32)
    for channel, of_channel in enumerate(frames):
        for start in range(0, len(of_channel), BLOCK):
            magnitudes = np.abs(np.fft.rfft(of_channel[start : start + BLOCK] * window, axis=-1))
            result[channel, start : start + BLOCK] = magnitudes @ bank
    decibels = 20.0 * np.log10(np.maximum(result, AMIN))
    return np.maximum(decibels, decibels.max() - RANGE_DB)


@cache
def _mel_bank(sample_rate: int) -> csr_array:
    """Sparse ``(mel, bin)``: triangles of equal area on Slaney's scale."""
    from scipy.sparse import csr_array

    return csr_array(mel.filters(sample_rate, N_FFT, MELS, scale=mel.SLANEY, norm="area"))
