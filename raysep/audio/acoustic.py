"""An acoustic fingerprint: 32 bits for every moment of a recording, which level, format and codec leave nearly alone.

After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): a bit says whether the difference
between two neighbouring bands grew or shrank from one moment to the next. Windows overlap so much that a recording that
was cut begins its windows nearly where the whole one has them.
"""

from __future__ import annotations

import numpy as np

from raysep.audio.channels import mono
from raysep.audio.levels import SILENCE_DBFS, rms_dbfs
from raysep.audio.resample import resample

RATE = 5_000  # Hz that a recording is brought to
WINDOW, HOP = 2048, 128  # samples at that rate: 0.41 s, every 26 ms
BITS = 32
LOWEST_HZ, HIGHEST_HZ = 100.0, 2200.0
QUIET_DB = 50.0  # below the loud moments: a moment that quiet may be rounding, and is not compared
BLOCK = 1024  # windows transformed together
SECONDS = HOP / RATE  # from one moment to the next


def folded(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """``(time,)`` at ``RATE`` of ``(channel, time)``, its channels folded into one."""
    return resample(mono(audio), sample_rate, RATE)[0]


def moments(mono: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(n,)`` uint32, and whether each is loud enough to be compared, for ``(time,)`` at ``RATE``.

    Nothing at all (n = 0) for a recording that is silent or shorter than a window.
    """
    if len(mono) < WINDOW + HOP or rms_dbfs(mono) <= SILENCE_DBFS:
        return np.zeros(0, np.uint32), np.zeros(0, bool)
    energy = band_energies(mono)
    difference = energy[:, :-1] - energy[:, 1:]
    bits = difference[1:] > difference[:-1]
    level = energy.sum(axis=1)[1:]
    audible = level > np.quantile(level, 0.95) * 10 ** (-QUIET_DB / 10)
    return bits @ (np.uint32(1) << np.arange(BITS, dtype=np.uint32)), audible


def band_energies(mono: np.ndarray) -> np.ndarray:
    """``(window, band)`` power in bands that are evenly spaced as pitch is."""
    from scipy import fft

    edges = np.round(np.geomspace(LOWEST_HZ, HIGHEST_HZ, BITS + 2) * WINDOW / RATE).astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(mono, np.float32), WINDOW)[::HOP]
    shape = np.hanning(WINDOW).astype(np.float32)
    found = np.empty((len(windows), BITS + 1), np.float32)
    for first in range(0, len(windows), BLOCK):  # blocks: all spectra at once are far larger than the samples
        spectrum = fft.rfft(windows[first : first + BLOCK] * shape, axis=1)[:, : edges[-1]]
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        found[first : first + BLOCK] = np.add.reduceat(power, edges[:-1], axis=1)
    return found
