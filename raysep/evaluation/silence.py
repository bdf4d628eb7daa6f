"""Stems whose reference is silent: they have no ratio of signal to distortion, and are judged by what is left there.

A ratio of energies of a silent stem is a number about the δ in its formula: with the challenge's 1e-7 a residue of
-60 dBFS, which is hardly heard, gives -82 dB for three minutes of stereo at 44.1 kHz, and one such stem of forty takes 2 dB
from the mean of all. So they are left out of means of SDR, are counted, and have a measure of their own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from raysep.audio.levels import is_silent, residue_dbfs
from raysep.evaluation.sdr import as_signals, global_sdr


def silent_stems(references: ArrayLike) -> np.ndarray:
    """``(stem,)`` bool: whose reference ``(stem, sample, channel)`` is at or below -60 dBFS, RMS over the whole track."""
    return np.array([is_silent(_floats(reference)) for reference in np.asarray(references)], dtype=bool)


def audible_sdr(references: ArrayLike, estimates: ArrayLike) -> np.ndarray:
    """Whole-track SDR in dB, ``(stem,)``, of ``(stem, sample, channel)``: ``global_sdr``, NaN where the reference is silent."""
    references, estimates = as_signals(references, estimates)
    return np.where(silent_stems(references), np.nan, global_sdr(references, estimates))


def residue(references: ArrayLike, estimates: ArrayLike) -> np.ndarray:
    """Level of the estimate in dBFS, ``(stem,)``, where the reference is silent, else NaN; **lower is better**.

    -100 dBFS at least: quieter than the rounding of 16 bit is all the same. Raises ``ValueError`` when the shapes differ.
    """
    pairs = zip(*as_signals(references, estimates), strict=True)
    return np.array([residue_dbfs(_floats(reference), _floats(estimate)) for reference, estimate in pairs])


def _floats(audio: np.ndarray) -> np.ndarray:
    """The same, integers as float64: squares of 16-bit samples do not fit into 16 bits."""
    return audio if audio.dtype.kind == "f" else audio.astype(np.float64)
