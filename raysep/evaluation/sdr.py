"""Signal-to-distortion ratios, exact and closed: numpy only, float64 accumulation.

Three numbers that are all called SDR and must not be compared with one another. Shapes are museval's:
references and estimates ``(stem, sample, channel)``, in the same order of stems, as arrays or whatever ``np.asarray``
takes.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

BLOCK = 65536  # samples summed at a time: float64 accuracy without a float64 copy of the track
DELTA = 1e-7  # added to both energies by the Music Demixing Challenge


def global_sdr(references: ArrayLike, estimates: ArrayLike) -> np.ndarray:
    """Whole-track SDR in dB, ``(stem,)``: 10 log10((Σ s² + δ) / (Σ (s - ŝ)² + δ)) over samples and channels.

    The Music Demixing Challenge's measure (Mitsufuji et al. 2022; Fabbro et al., arXiv 2308.06979), elsewhere uSDR or
    nSDR. Raises ``ValueError`` when the shapes differ.
    """
    references, estimates = as_signals(references, estimates)
    signal = np.zeros(len(references))
    error = np.zeros(len(references))
    for start in range(0, references.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        block_signal, block_error = _energies(references[:, block], estimates[:, block])
        signal += block_signal
        error += block_error
    return 10.0 * np.log10((signal + DELTA) / (error + DELTA))


def framewise_sdr(references: ArrayLike, estimates: ArrayLike, sample_rate: int) -> np.ndarray:
    """museval's SDR (BSS Eval v4, images) of every second, in dB: ``(stem, frame)``.

    In that mode the spatial, interference and artefact errors add up to estimate minus reference, so the distortion
    filters cancel and SDR = 10 log10(Σ s² / Σ (s - ŝ)²) within the frame (sigsep-mus-eval issue 101). The rest is
    museval's book-keeping, kept to the letter:

    - frames of one second, one after the other; a last, partial one is dropped; a shorter track is one frame;
    - a frame in which any stem of either side is silent is NaN for *all* stems; silent means that the *sum* over
      channels is zero at every sample, so an antiphase signal is silent too;
    - a stem that is silent in this sense throughout raises ``ValueError``: the track cannot be scored;
    - an estimate without any error is inf;
    - a NaN or Inf anywhere, the dropped rest included, spoils the filters, which are of the whole track: in an estimate
      that stem is NaN in every frame, in a reference all stems are.

    Raises ``ValueError`` when the shapes differ, and for a sample rate that is no positive integer.
    """
    references, estimates = as_signals(references, estimates)
    stems, total, _ = references.shape
    window = min(as_rate(sample_rate), total)
    starts = range(0, total, window)  # of the last, partial frame too: it gets no number, but must be finite
    signal, error = np.empty((2, stems, len(starts)))
    silent = np.empty(len(starts), bool)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for name, sources in (("reference", references), ("estimate", estimates)):
            if mute := [stem for stem, source in enumerate(sources) if not _sounds(source)]:
                raise ValueError(f"the {name} of stem {mute[0]} is silent throughout: this track has no framewise SDR")
        for frame, start in enumerate(starts):
            pair = [sources[:, start : start + window] for sources in (references, estimates)]
            signal[:, frame], error[:, frame] = _energies(*pair)
            silent[frame] = not all(_sounds(source) for sources in pair for source in sources)
        result = 10.0 * np.log10(signal / error)
    result[:, silent] = np.nan
    if not np.isfinite(signal).all():
        result[:] = np.nan
    for stem in np.flatnonzero(~np.isfinite(error).all(axis=1)):
        if not np.isfinite(estimates[stem]).all():  # else its energy alone is too large for a number
            result[stem] = np.nan
    return result[:, : total // window]


def median_framewise_sdr(references: ArrayLike, estimates: ArrayLike, sample_rate: int) -> np.ndarray:
    """museval's score of a track in dB, ``(stem,)``: ``frame_median`` of ``framewise_sdr``.

    Its score of a corpus is the median over tracks of this.
    """
    return frame_median(framewise_sdr(references, estimates, sample_rate))


def frame_median(frames: np.ndarray) -> np.ndarray:
    """``(stem, frame)`` -> ``(stem,)`` as museval's stores do it: rounded to 5 decimals, median of the finite frames.

    NaN where no frame is finite.
    """
    # Python's round is exact like museval's decimals; numpy's multiplies first and errs next to a tie.
    rounded = np.array([[round(v, 5) if np.isfinite(v) else np.nan for v in stem] for stem in frames.tolist()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "All-NaN slice": NaN is the documented answer
        return np.nanmedian(rounded.reshape(frames.shape), axis=1)


def si_sdr(references: ArrayLike, estimates: ArrayLike) -> np.ndarray:
    """Scale-invariant SDR in dB, ``(stem,)``: the SDR against the reference times ⟨s, ŝ⟩ / ⟨s, s⟩.

    One scale for all channels of a stem, no mean removed (Le Roux et al., "SDR – half-baked or well done?", 2019).
    NaN when the reference is silent; -inf when the estimate is silent or orthogonal to it, inf when proportional.
    """
    references, estimates = as_signals(references, estimates)
    result = np.empty(len(references))
    for stem, (reference, estimate) in enumerate(zip(references, estimates, strict=True)):
        s, e = reference.astype(np.float64).ravel(), estimate.astype(np.float64).ravel()
        energy = s @ s
        if energy == 0.0:
            result[stem] = np.nan
            continue
        target = (s @ e) / energy * s
        signal, error = target @ target, np.square(e - target).sum()
        with np.errstate(divide="ignore"):
            result[stem] = -np.inf if signal == 0.0 else 10.0 * np.log10(np.divide(signal, error))
    return result


def as_signals(references: ArrayLike, estimates: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays, without a copy if they are. Raises ``ValueError`` unless one ``(stem, sample, channel)``, not empty."""
    references, estimates = np.asarray(references), np.asarray(estimates)
    if references.ndim != 3 or references.shape != estimates.shape:
        raise ValueError(
            f"references {references.shape}, estimates {estimates.shape}: both must be one (stem, sample, channel)"
        )
    if 0 in references.shape:
        raise ValueError(f"references and estimates {references.shape} are empty: there is nothing to score")
    return references, estimates


def as_rate(sample_rate: Any) -> int:
    """In Hz, as an int. Raises ``ValueError`` for what is no positive integer; 44100.0 is one."""
    try:
        if (rate := int(sample_rate)) == sample_rate and rate > 0:
            return rate
    except (TypeError, ValueError, OverflowError):  # no number, NaN, infinite
        pass
    raise ValueError(f"sample rate {sample_rate!r}: must be a positive integer, in Hz")


def _sounds(source: np.ndarray) -> bool:
    """Whether ``(sample, channel)`` is anywhere non-zero once its channels are summed; stops at the first that is."""
    step = 1024  # small: most signals sound at once
    return any(source[start : start + step].sum(axis=1).any() for start in range(0, len(source), step))


def _energies(references: np.ndarray, estimates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energy of the references and of estimates minus references, ``(stem,)`` each, in float64 from any type."""
    work = references.astype(np.float64)
    signal = np.einsum("stc,stc->s", work, work)
    work -= estimates
    return signal, np.einsum("stc,stc->s", work, work)
