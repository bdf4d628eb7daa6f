"""The numbers of one separated track, each under a name of its own: several of them are called SDR elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from raysep import evaluation
from raysep.audio.levels import QUIETEST_DBFS, SILENCE_DBFS
from raysep.errors import BadInput
from raysep.evaluation import museval_backend, silence
from raysep.evaluation.sdr import as_rate, as_signals, frame_median

FRAMES = "median over 1 s frames, museval v4 rules"
TRACK = "whole track"
AUDIBLE, SILENT, ANY = "audible", "silent", "any"  # references
FORMULA = "10 log10((Σ s² + 1e-7) / (Σ (s - ŝ)² + 1e-7))"


@dataclass(frozen=True)
class Measure:
    """What a number is, in words that a table can carry."""

    title: str
    unit: str
    frames: str  # the rule by which a track's samples become one number
    definition: str
    references: str = ANY  # those that it is a number of; NaN for others
    higher_is_better: bool = True


MEASURES = {
    "sdr": Measure(
        "SDR",
        "dB",
        TRACK,
        f"{FORMULA} of stems whose reference is above {SILENCE_DBFS:g} dBFS (RMS over the track); uSDR, nSDR elsewhere",
        AUDIBLE,
    ),
    "framewise_sdr": Measure(
        "SDR, framewise", "dB", FRAMES, "10 log10(Σ s² / Σ (s - ŝ)²) in a frame: museval's SDR, cSDR elsewhere"
    ),
    "si_sdr": Measure(
        "SI-SDR",
        "dB",
        TRACK,
        "SDR against the reference scaled to the estimate (Le Roux et al. 2019), of the stems that SDR is of",
        AUDIBLE,
    ),
    "bleedless": Measure(
        "bleedless", "0…100", TRACK, "100 when the estimate has nothing that the reference has not (MSST's definition)"
    ),
    "fullness": Measure(
        "fullness", "0…100", TRACK, "100 when the estimate lacks nothing of the reference (MSST's definition)"
    ),
    "residue": Measure(
        "residue",
        "dBFS",
        TRACK,
        f"RMS of the estimate where the reference is silent (up to {SILENCE_DBFS:g} dBFS); at least {QUIETEST_DBFS:g}",
        SILENT,
        higher_is_better=False,
    ),
    "challenge_sdr": Measure(
        "SDR, challenge's", "dB", TRACK, f"{FORMULA} of every stem, silent ones too: MDX 2021 and SDX 2023"
    ),
    "isr": Measure("ISR", "dB", FRAMES, "image to spatial distortion ratio, BSS Eval v4, 512 taps"),
    "sir": Measure("SIR", "dB", FRAMES, "source to interference ratio, BSS Eval v4, 512 taps"),
    "sar": Measure("SAR", "dB", FRAMES, "sources to artefacts ratio, BSS Eval v4, 512 taps"),
}
BSS_EVAL = ("isr", "sir", "sar")  # need distortion filters, so they are asked for
DEFAULT = tuple(name for name in MEASURES if name not in (*BSS_EVAL, "challenge_sdr"))
BACKENDS = ("own", "museval")
FRAMEWISE = {"framewise_sdr": "sdr", "isr": "isr", "sir": "sir", "sar": "sar"}  # measure → its name in a frame


@dataclass(frozen=True)
class TrackMeasures:
    """A track's numbers; ``nan`` where a measure is undefined, ``inf`` where it has no bound."""

    values: dict[str, np.ndarray]  # measure → (stem,)
    silent: np.ndarray  # (stem,) bool: whose reference is, so that it has no SDR but a residue
    frames: dict[str, np.ndarray] = field(default_factory=dict)  # sdr, isr, sir, sar → (stem, frame), as far as asked
    conditioned: np.ndarray | None = None  # (stem,) bool: whether ISR, SIR and SAR mean something; None = not known
    note: str = ""  # why the framewise measures are undefined


def check(measures: Sequence[str], backend: str) -> tuple[str, ...]:
    """The measures in the order of ``MEASURES``. Raises ``BadInput`` for one that does not exist."""
    if not measures or (unknown := [name for name in measures if name not in MEASURES]):
        raise BadInput(f"--metrics {','.join(unknown if measures else [])}: give some of {', '.join(MEASURES)}")
    if backend not in BACKENDS:
        raise BadInput(f"--backend {backend}: give one of {', '.join(BACKENDS)}")
    return tuple(name for name in MEASURES if name in measures)


def track_measures(
    references: ArrayLike,
    estimates: ArrayLike,
    sample_rate: int,
    measures: Sequence[str] = DEFAULT,
    backend: str = "own",
) -> TrackMeasures:
    """Measure ``(stem, channel, time)`` estimates against references of the same shape.

    ``backend`` ``museval`` takes the framewise measures from museval itself; it has no others. A track in which a stem
    is silent throughout has no framewise measures: they are NaN, and ``note`` says why. A stem whose reference is silent
    has neither ``sdr`` nor ``si_sdr``; ``residue`` is of those stems alone. Of a stem whose estimate holds NaN or Inf no
    measure is finite. Raises ``ValueError`` when the shapes differ and for a sample rate that is no
    positive integer, ``RaysepError`` where museval fails.
    """
    measures, sample_rate = check(measures, backend), as_rate(sample_rate)
    references, estimates = as_signals(*(np.asarray(audio).transpose(0, 2, 1) for audio in (references, estimates)))
    values: dict[str, np.ndarray] = {}
    silent = silence.silent_stems(references)
    if {"sdr", "challenge_sdr"} & set(measures):
        values["challenge_sdr"] = evaluation.global_sdr(references, estimates)
        values["sdr"] = np.where(silent, np.nan, values["challenge_sdr"])
    if "si_sdr" in measures:
        values["si_sdr"] = np.where(silent, np.nan, evaluation.si_sdr(references, estimates))
    if "residue" in measures:
        values["residue"] = silence.residue(references, estimates)
    if {"bleedless", "fullness"} & set(measures):
        pair = evaluation.bleedless_fullness(references, estimates, sample_rate)
        values |= dict(zip(("bleedless", "fullness"), pair, strict=True))
    frames, conditioned, note = {}, None, ""
    if framewise := [name for name in measures if name in FRAMEWISE]:
        try:
            found = _framewise(framewise, backend)(references, estimates, sample_rate)
            if "conditioned" in found:
                conditioned = found["conditioned"].all(axis=1)
            frames = {FRAMEWISE[name]: np.asarray(found[FRAMEWISE[name]]) for name in framewise}
        except ValueError as error:
            note = f"no framewise measures: {error}"
        nothing = np.full((len(references), 0), np.nan)
        values |= {name: frame_median(frames.get(FRAMEWISE[name], nothing)) for name in framewise}
    return TrackMeasures({name: values[name] for name in measures}, silent, frames, conditioned, note)


def _framewise(measures: Sequence[str], backend: str) -> Callable[..., dict]:
    """What computes the frames of all these measures, and no more than these need."""
    if backend == "museval":
        return museval_backend.evaluate_track
    if set(measures) & set(BSS_EVAL):
        return evaluation.bss_eval
    return lambda *signals: {"sdr": evaluation.framewise_sdr(*signals)}
