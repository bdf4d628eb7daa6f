"""BSS Eval v4 (images): SDR, ISR, SIR and SAR of every second, in one pass over the audio.

An estimate is taken apart by least-squares filters of 512 taps over the whole track (Vincent et al. 2006; Stöter, Liutkus
and Ito 2018, "The 2018 Signal Separation Evaluation Campaign"): z is its own reference s filtered towards it, y the sum of
all references so filtered. Then, with energies over a frame,

    SDR = |s|² / |ŝ - s|²    ISR = |s|² / |z - s|²    SIR = |z|² / |y - z|²    SAR = |y|² / |ŝ - y|²

in dB. Each energy is a quadratic form in the filters whose matrix holds correlations of the frame. So it is linear in the
correlations: one matrix product with the weights that follow from the filters gives all frames, and no signal is ever
filtered. museval filters every frame and factors the same matrix once for every stem.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raysep.evaluation import toeplitz
from raysep.evaluation.correlations import Correlations, correlate
from raysep.evaluation.sdr import as_rate, as_signals, framewise_sdr

TAPS = 512  # museval's filters
TRUSTED = 1e-6  # dB: what rounding may move a number by
CANCELLED = 1e-9  # of |ŝ|²: a residue ŝ - y below it is lost in |ŝ|² - 2⟨ŝ, y⟩ + |y|²


@dataclass(frozen=True)
class Filters:
    """From the reference channels to each estimate, in the order of ``Correlations``."""

    all: np.ndarray  # (stem, p, channel, tap), p over the channels of every stem
    own: np.ndarray  # (stem, channel, channel, tap)


def bss_eval(references: ArrayLike, estimates: ArrayLike, sample_rate: int) -> dict[str, np.ndarray]:
    """``sdr``, ``isr``, ``sir``, ``sar`` in dB, each ``(stem, frame)``, of ``(stem, sample, channel)`` signals.

    Frames, NaN pattern and errors are those of ``framewise_sdr``, which also gives ``sdr``; the others equal museval's to
    1e-5 dB, what its files resolve, where the filters are determined by the signals. ``conditioned``, bool ``(stem,
    frame)``, says where: there, rounding in the correlations moves no number by more than 1e-6 dB. It is false when
    references nearly determine one another (a delayed copy, noise-free bands without any energy) and for a perfect
    estimate: those numbers are of rounding errors, in museval's output as in this one.

    Around NaN and Inf the numbers are museval's, too: a stem whose estimate has some has none of the four, and with some
    in a reference nothing is left but the ISR of the other stems.

    Raises ``ValueError`` when the shapes differ, a stem is silent throughout, or the sample rate is no positive integer.
    """
    references, estimates = as_signals(references, estimates)
    sdr = framewise_sdr(references, estimates, sample_rate)
    if np.isnan(sdr).all(axis=1).any():  # looked into only now: a pass over the audio takes time
        broken = [~np.isfinite(signals).all(axis=(1, 2)) for signals in (references, estimates)]
        if np.any(broken):
            return _around(references, estimates, sample_rate, *broken) | {"sdr": sdr}
    window = min(as_rate(sample_rate), references.shape[1])
    correlations = correlate(references, estimates, window, TAPS)
    filters, disturbed = _filters(correlations, references.shape[2])
    signal = _reference_energies(correlations.windows, len(references))
    ratios = _ratios(signal, _energies(correlations, filters))
    artefacts = ratios[2]
    for stem, frame in np.argwhere(~(10.0 ** (artefacts / -10.0) > CANCELLED) & np.isfinite(sdr)):
        span = slice(frame * window, (frame + 1) * window)
        artefacts[stem, frame] = _artefact_ratio(references[:, span], estimates[stem, span], filters.all[stem])
    with np.errstate(invalid="ignore"):
        moved = np.abs(_ratios(signal, _energies(correlations, disturbed)) - ratios).max(axis=0)
    ratios[:, np.isnan(sdr)] = np.nan
    return {"sdr": sdr, **dict(zip(("isr", "sir", "sar"), ratios, strict=True)), "conditioned": _trusted(moved, sdr)}


def _around(
    references: np.ndarray, estimates: np.ndarray, sample_rate: int, no_reference: np.ndarray, no_estimate: np.ndarray
) -> dict[str, np.ndarray]:
    """``bss_eval`` when some signals, bool ``(stem,)``, are not finite: what depends on them is NaN."""
    # What stands in for the samples matters to no number that is kept; zeros might make a frame silent.
    references, estimates = (
        np.nan_to_num(signals, nan=1.0, posinf=1.0, neginf=1.0) for signals in (references, estimates)
    )
    found = bss_eval(references, estimates, sample_rate)
    found["isr"][no_reference | no_estimate] = np.nan
    for name in ("sir", "sar"):  # their filters are from all references
        found[name][no_estimate | no_reference.any()] = np.nan
    found["conditioned"] |= np.isnan(found["isr"])
    return found


def _trusted(moved: np.ndarray, sdr: np.ndarray) -> np.ndarray:
    return (moved <= TRUSTED) | np.isnan(sdr)  # a frame without numbers has none to distrust


def _filters(correlations: Correlations, channels: int) -> tuple[Filters, Filters]:
    """The filters, and what they would have been had the correlations been rounded differently."""
    track = correlations.track
    rows = len(track)
    stems = rows // channels
    blocks = [slice(stem * channels, (stem + 1) * channels) for stem in range(stems)]
    own = np.stack([track[block, block] for block in blocks])
    towards = np.stack([track[block, rows:][:, block] for block in blocks])
    among, right = np.ascontiguousarray(track[:, :rows]), np.ascontiguousarray(track[:, rows:])

    def by_stem(solution: np.ndarray) -> np.ndarray:  # (p, stem * channel, tap) -> (stem, p, channel, tap)
        return solution.reshape(rows, stems, channels, -1).swapaxes(0, 1)

    solutions = zip(toeplitz.solve_twice(among, right), toeplitz.solve_twice(own, towards), strict=True)
    first, second = (Filters(by_stem(everything), alone) for everything, alone in solutions)
    return first, second


def _energies(correlations: Correlations, filters: Filters) -> np.ndarray:
    """|z - s|², |z|², |y - z|², |y|² and |ŝ - y|² of every frame, ``(5, stem, frame)``."""
    stems, rows, channels, taps = filters.all.shape
    weights = np.zeros((5, stems, rows, 2 * rows, taps))
    for stem in range(stems):
        block = slice(stem * channels, (stem + 1) * channels)
        own, both = filters.own[stem], filters.all[stem]
        without_s = own.copy()
        without_s[np.arange(channels), np.arange(channels), 0] -= 1.0
        without_z = both.copy()
        without_z[block] -= own  # differences of filters, not of energies: nothing cancels
        weights[0, stem, block, block] = _form(without_s)
        weights[1, stem, block, block] = _form(own)
        weights[2, stem, :, :rows] = _form(without_z)
        weights[3, stem, :, :rows] = _form(both)
        weights[4, stem, :, rows:][:, block] = both  # ⟨ŝ, y⟩
    frames = len(correlations.windows)
    energies = (weights.reshape(5 * stems, -1) @ correlations.windows.reshape(frames, -1).T).reshape(5, stems, frames)
    energies[4] = correlations.energies.T - 2.0 * energies[4] + energies[3]
    return energies


def _form(filters: np.ndarray) -> np.ndarray:
    """Weights ``(p, q, lag)`` of r[p, q, lag] in the energy of Σ_p h_p * x_p, for filters ``(p, side, tap)``.

    Correlations of the filters; those at negative lags are those of (q, p) at positive ones, hence the two.
    """
    taps = filters.shape[-1]
    spectra = np.fft.rfft(filters, 2 * taps)
    result = 2.0 * np.fft.irfft(np.einsum("psf,qsf->pqf", spectra, spectra.conj()), 2 * taps)[..., :taps]
    result[..., 0] /= 2.0
    return result


def _reference_energies(windows: np.ndarray, stems: int) -> np.ndarray:
    """|s|², ``(stem, frame)``."""
    diagonal = np.arange(windows.shape[1])
    return windows[:, diagonal, diagonal, 0].reshape(len(windows), stems, -1).sum(axis=-1).T


def _ratios(signal: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """ISR, SIR, SAR, ``(3, stem, frame)``. A difference that rounding made negative is none."""
    above = np.stack([signal, energies[1], energies[3]])
    with np.errstate(divide="ignore", invalid="ignore"):
        return 10.0 * np.log10(above / np.maximum(energies[[0, 2, 4]], 0.0))


def _artefact_ratio(references: np.ndarray, estimate: np.ndarray, filters: np.ndarray) -> float:
    """SAR of one frame from the signals themselves: ``(stem, sample, channel)``, ``(sample, channel)``."""
    from scipy.signal import oaconvolve

    channels = references.transpose(0, 2, 1).reshape(-1, 1, references.shape[1]).astype(np.float64)
    filtered = oaconvolve(channels, filters, axes=-1).sum(axis=0)  # (channel, sample + taps - 1)
    error = filtered.copy()
    error[:, : len(estimate)] -= estimate.T
    with np.errstate(divide="ignore"):
        return float(10.0 * np.log10(np.divide(np.square(filtered).sum(), np.square(error).sum())))
