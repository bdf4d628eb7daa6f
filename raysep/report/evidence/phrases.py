"""What a probe's number says of a stem, in words: "digital silence 24 % of the time"."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from raysep.decision.aggregate import WORST
from raysep.report.numbers import NARROW, decimal, percent, score


class Phrase(NamedTuple):
    """How a probe's score is said. ``family``: probes that say much the same; of each, one is worth a sentence."""

    words: str  # with {} where the number stands
    show: Callable[[float], str]
    family: str
    fault: bool  # the number shown is of the fault: trusted stems have at most so much, else at least


def _unit(unit: str, scale: float, digits: int) -> Callable[[float], str]:
    return lambda value: f"{decimal(scale * value, digits)}{NARROW}{unit}"


def _share(value: float) -> str:
    """A share turned positive, small ones with as many digits as they need."""
    size = abs(value)
    return percent(size, 0 if not size or size >= 0.1 else 1 if size >= 0.001 else 3)


def _khz(octaves: float) -> str:
    return f"{decimal(0.02 * 2**octaves, 1)}{NARROW}kHz"


_DB, _LESS_DB = _unit("dB", 1, 1), _unit("dB", -1, 1)
_PLAIN, _LESS = score, lambda value: decimal(-value, 2)
_LOSS, _AGREES, _ITSELF = "loss", "agreement", "self-consistency"
_AFTER_TRUST, _DISTANCE = "influence", "distance"

PHRASES = {
    "loss": Phrase("loss of the trained separator {}", _LESS_DB, _LOSS, True),
    "loss-early": Phrase("loss of the separator early in its training {}", _LESS_DB, _LOSS, True),
    "reference-loss": Phrase("loss of the separator that saw trusted tracks only {}", _LESS_DB, _LOSS, True),
    "own-loss": Phrase("loss of the trained separator in its own mixture {}", _LESS_DB, _LOSS, True),
    "excess": Phrase("learnt by heart: its loss is {} lower for the separator that trained on it", _LESS_DB, "excess", True),
    "influence": Phrase("pull towards the trusted tracks {}", _PLAIN, _AFTER_TRUST, False),
    "influence-relative": Phrase("pull towards the trusted tracks, for its loss, {}", _PLAIN, _AFTER_TRUST, False),
    "agreement": Phrase("the trained separator agrees with it to {} SDR", _DB, _AGREES, False),
    "agreement-early": Phrase("the separator early in its training agrees with it to {} SDR", _DB, _AGREES, False),
    "agreement-reference": Phrase("the separator of the trusted tracks agrees with it to {} SDR", _DB, _AGREES, False),
    "self-consistency": Phrase("heard alone, its own label against the loudest other: {}", _DB, _ITSELF, False),
    "self-consistency-early": Phrase(
        "heard alone early in the training, its own label against the loudest other: {}", _DB, _ITSELF, False
    ),
    "self-consistency-reference": Phrase(
        "heard alone by the separator of the trusted tracks, its own label against the loudest other: {}", _DB, _ITSELF, False
    ),
    "unlearning": Phrase("forgotten with the trusted tracks: loss rises by {}", _PLAIN, _AFTER_TRUST, False),
    "unlearning-relative": Phrase("forgotten with the trusted tracks: share of its loss {}", _PLAIN, _AFTER_TRUST, False),
    "unlearning-clean": Phrase("forgotten with the trusted tracks: loss rises by {}", _PLAIN, _AFTER_TRUST, False),
    "unlearning-clean-relative": Phrase("forgotten with the trusted tracks: share of its loss {}", _PLAIN, _AFTER_TRUST, False),
    "unlearning-per-track": Phrase("forgotten with each trusted track: rank {}", _PLAIN, _AFTER_TRUST, False),
    "fad": Phrase("sounds far from the trusted ones: Fréchet distance {}", _LESS, _DISTANCE, True),
    "fad-z": Phrase("sounds {} standard deviations farther from the trusted ones than clean excerpts", _LESS, _DISTANCE, True),
    "fad-window": Phrase("its strangest windows: Fréchet distance {}", _LESS, _DISTANCE, True),
    "mahalanobis": Phrase("its frames lie far from the trusted ones: {} by Mahalanobis", _LESS, _DISTANCE, True),
    "mahalanobis-high": Phrase("its strangest frames lie far out: {} by Mahalanobis", _LESS, _DISTANCE, True),
    "neighbours": Phrase("nearest trusted frames at a distance of {}", _LESS, _DISTANCE, True),
    "neighbours-high": Phrase("nearest trusted frames of its strangest ones at {}", _LESS, _DISTANCE, True),
    "instrument": Phrase("likelihood of its own label over the best other {}", _PLAIN, "instrument", False),
    "signal-clipping": Phrase("clipped: {} of its samples lie on flat tops", _share, "clipping", True),
    "signal-dropout": Phrase("digital silence {} of the time", _share, "dropout", True),
    "signal-dc": Phrase("DC offset of {} of its RMS", _share, "dc", True),
    "signal-noise-floor": Phrase("its quietest moments lie {} below its loud ones", _DB, "floor", False),
    "signal-noise-floor-high": Phrase("in the treble its quietest moments lie {} below its loud ones", _DB, "floor", False),
    "signal-bandwidth": Phrase("99.9 % of its energy lies below {}", _khz, "band", False),
    "signal-top-band": Phrase("its treble lies {} against the whole", _DB, "band", False),
    "signal-edge": Phrase("its spectrum falls by {} at one edge", _LESS_DB, "band", True),
    "signal-crest": Phrase("its peaks are {} above its RMS", _DB, "crest", False),
    "signal-cancel": Phrase("its channels cancel by {} in mono", _LESS_DB, "cancel", True),
    "leakage": Phrase("a late copy of another stem in it, of height {}", _LESS, "leakage", True),
    "signal-lag": Phrase("its onsets are {} away from the other stems'", _unit("ms", -1000, 0), "time", True),
    "signal-in-time": Phrase("its onsets meet another stem's better in time than elsewhere by {}", _PLAIN, "time", False),
}  # fmt: skip


def phrase_of(probe: str) -> Phrase:
    """How ``probe`` is said; one of the user's own by its name and number. ``…_worst`` is of the lowest segment."""
    name = probe.removesuffix(WORST)
    found = PHRASES.get(name) or Phrase(f"{name} {{}}", _PLAIN, name, False)
    return found._replace(words=f"{found.words} in its worst segment") if probe.endswith(WORST) else found


def sentence(probe: str, value: float, label: str, others: Sequence[float]) -> str:
    """The score in words, and where it stands among ``others``, the trusted stems of the label: their known scores, ascending.

    "digital silence 24 % of the time; trusted drums: at most 0.1 %" where it is beyond all of them, else with their middle
    and how many of them are better.
    """
    phrase = phrase_of(probe)
    said = phrase.words.format(phrase.show(value))
    if not others:
        return said
    if value < others[0]:
        return f"{said}; trusted {label}: at {'most' if phrase.fault else 'least'} {phrase.show(others[0])}"
    better = len(others) - bisect_right(others, value)
    middle = phrase.show(others[len(others) // 2])
    return f"{said}; trusted {label}: {middle} in the middle, {better} of {len(others)} are better"
