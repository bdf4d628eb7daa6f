"""How training holds samples: as 16-bit integers where these are exactly what scoring sees, else as float32.

Half the memory for what is 16 bit anyway; and nothing that is not is rounded, or cut at full scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raysep.corpus.manifest import Stem

FULL_SCALE = np.float32(32768.0)  # int16 to [-1, 1), as in 16-bit WAV
EXACT = ("PCM_16", "PCM_S8", "PCM_U8", "ALAC_16", "ULAW", "ALAW")  # libsndfile's names of samples of 16 bits or fewer


def compact(audio: np.ndarray) -> np.ndarray:
    """A copy of float32 samples as int16 (times 32768) when not one of them changes by it, else as they are."""
    if audio.dtype == np.int16:
        return np.array(audio)  # a copy: the caller's buffer may be a view of something large, or be reused
    steps = audio * FULL_SCALE
    if audio.size and steps.min() >= -FULL_SCALE and steps.max() < FULL_SCALE:
        whole = steps.astype(np.int16)
        if np.array_equal(whole, steps):
            return whole
    return np.array(audio, np.float32)


def as_float(samples: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Samples that ``compact`` has left, as float32; into ``out`` if it is given."""
    return np.multiply(samples, np.float32(1.0) if samples.dtype == np.float32 else 1 / FULL_SCALE, out=out)


def dtype_of(stem: Stem, sample_rate: int, channels: int) -> Any:
    """What ``compact`` leaves of the stem at this rate with so many channels, by what its manifest says.

    A sum of several files may be beyond 16 bits though each is not.
    """
    is_mixed = bool(stem.parts) or stem.channels not in (1, channels)
    whole = stem.format.partition("/")[2] in EXACT and stem.sample_rate == sample_rate and not is_mixed
    return np.int16 if whole or not stem.frames else np.float32
