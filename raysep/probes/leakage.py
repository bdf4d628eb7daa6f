"""Bleed between the stems of one track, found without a model: a leak is a late copy of a neighbour.

Two stems of a song share keys and beats, but not waveforms. Their cross-correlation, whitened so that every frequency
counts alike (the phase transform of Knapp and Carter, 1976), has no peak then; a leak makes a sharp one at its delay.
The stem that holds the leak is the one that comes later, so the lag tells receiver from source.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raysep.audio.channels import mono
from raysep.probes.probe import Probe

HIGHEST_HZ = 4000.0  # leaks through air and walls lose their treble, and fewer frequencies cost less
LATEST_SECONDS = 0.04  # 14 m at the speed of sound
SPREAD_SECONDS = 0.3  # lags among which a peak must stand out
SIMULTANEOUS_SECONDS = 0.0005  # a lag that tells neither stem from the other


def leakage(stems: Mapping[str, np.ndarray], sample_rate: int) -> dict[str, float]:
    """label → how far the sharpest late copy of another stem stands out, in decades of the lags' spread.

    ``stems`` are ``(channel, time)`` of one shape. Higher = more suspect; about 0.6 without a leak. A copy at the same
    instant counts for both stems. NaN for a stem without signal, or when no other has one.
    """
    spectra = {label: _whitened(audio, sample_rate) for label, audio in sorted(stems.items()) if np.any(audio)}
    found: dict[str, list[float]] = {label: [] for label in spectra}
    labels = list(spectra)
    for i, first in enumerate(labels):
        for second in labels[i + 1 :]:
            curve, step = _cross_correlation(spectra[first], spectra[second], sample_rate)
            late, early = _heights(curve, step)
            found[first].append(late)
            found[second].append(early)
    return {label: float(np.log10(max(*found[label], 1e-3))) if found.get(label) else float("nan") for label in stems}


def _whitened(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, int]:
    """Unit-modulus spectrum of the stem in mono up to ``HIGHEST_HZ``, zero where there is nothing, and the FFT's length."""
    from scipy.fft import next_fast_len, rfft

    single = mono(audio)[0]
    length = next_fast_len(len(single) + round(SPREAD_SECONDS * sample_rate), real=True)
    bins = int(min(HIGHEST_HZ, sample_rate / 2) / sample_rate * length)
    spectrum = rfft(single, length)[:bins]
    size = np.abs(spectrum)
    # Bins 80 dB below the loudest hold rounding and dither: whitening would raise them to the level of music.
    return np.divide(spectrum, size, out=np.zeros_like(spectrum), where=size > 1e-4 * size.max()), length


def _cross_correlation(
    first: tuple[np.ndarray, int], second: tuple[np.ndarray, int], sample_rate: int
) -> tuple[np.ndarray, float]:
    """Whitened correlation at lags -SPREAD … SPREAD, positive = ``first`` is later, and the seconds between lags."""
    from scipy.fft import irfft, next_fast_len

    (a, length), (b, _) = first, second
    points = next_fast_len(2 * len(a), real=True)
    curve = irfft(a * np.conj(b), points)
    step = length / sample_rate / points
    reach = round(SPREAD_SECONDS / step)
    return np.concatenate([curve[-reach:], curve[: reach + 1]]), step


def _heights(curve: np.ndarray, step: float) -> tuple[float, float]:
    """Largest peak of ``curve`` in units of its spread, among the lags at which the first, and the second, is later."""
    size, middle = np.abs(curve), len(curve) // 2
    spread = np.sqrt(np.mean(np.square(curve))) or 1.0
    latest, same = round(LATEST_SECONDS / step), round(SIMULTANEOUS_SECONDS / step)
    late = size[middle - same : middle + latest + 1].max()
    early = size[middle - latest : middle + same + 1].max()
    return float(late / spread), float(early / spread)


PROBES = (
    Probe(
        "leakage",
        "stem",
        (),
        True,
        "Knapp and Carter 1976 (phase transform), between the track's stems",
        lambda stem: -stem.of_track(leakage)[stem.label],
    ),
)
