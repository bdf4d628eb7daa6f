"""Where a stem is wrong, if it is wrong only in places: by what trusted stems of its label have.

    bad seconds    more of the second in gaps, or on flat tops, than nearly all trusted seconds have
    bad segments   usual < that of nearly all trusted segments
    usual          mean over the networks' probes of (score - median) / spread of the trusted segments
    spans          the bad ones with a second, or a segment, on either side
    the rest       segments without anything bad: their mean usual, and what is measured of the whole stem, are a trusted stem's

A fault of a whole stem, as hiss or a wrong label, makes most of its places bad, or none of them more than others, or leaves a
rest that is no trusted stem's: then the stem is not wrong only in places.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

FACTS = ("digital silence", "flat tops")  # of each second
LEAST = (0.01, 0.001)  # share of a second below which it is none: a few samples at a peak are equal by chance
FEWEST = 3  # trusted stems that bounds are taken of
FEWEST_SEGMENTS = 12  # of them
NEARLY_ALL = 0.99  # of the trusted seconds and segments
WIDE = 2.0  # standard deviations below the mean of trusted stems; of few the lowest would refuse every fourth
LARGEST = 0.5  # share of the seconds, or of the segments, that may be bad
LEAST_LEFT = 0.25  # of a stem: what is left of less is not worth keeping

EVERYWHERE = "wrong in most places"
NOWHERE = "wrong nowhere more than elsewhere"
NOT_TRUSTED = "what is beside its bad places is no trusted stem's either"

Spans = tuple[tuple[float, float], ...]


class Heard(NamedTuple):
    """What is known of the places of a stem."""

    facts: np.ndarray  # (second, fact): the share of each second; higher = more suspect
    start: np.ndarray  # (segment,) in seconds, of those that were scored
    length: np.ndarray  # (segment,) seconds
    usual: np.ndarray  # (segment,) higher = cleaner
    whole: float  # likewise, of the measures of the whole stem; NaN = there are none

    @property
    def known(self) -> bool:
        return bool(len(self.facts)) and bool(len(self.usual))


class Bounds(NamedTuple):
    """What trusted stems of a label have."""

    facts: np.ndarray  # (fact,) a second that has more is bad
    segment: float  # a segment below it is bad
    rest: float  # the mean of a stem's segments is at least that
    whole: float


class Found(NamedTuple):
    """Spans in seconds, in order and apart; none where the stem is not wrong only in places.

    ``words`` say which, or why there are none; "" where nothing is known of its places.
    """

    spans: Spans
    words: str


def bounds(trusted: Iterable[Heard]) -> Bounds | None:
    """From trusted stems of one label; None of too few."""
    stems = [each for each in trusted if each.known]
    usual = np.concatenate([each.usual for each in stems]) if stems else np.zeros(0)
    if len(stems) < FEWEST or len(usual) < FEWEST_SEGMENTS:
        return None
    seconds = np.concatenate([each.facts for each in stems])
    whole = np.array([each.whole for each in stems])
    whole = whole[np.isfinite(whole)]
    return Bounds(
        np.maximum(np.quantile(seconds, NEARLY_ALL, axis=0, method="higher"), LEAST),
        float(np.quantile(usual, 1 - NEARLY_ALL, method="lower")),
        _far_below(np.array([each.usual.mean() for each in stems])),
        _far_below(whole),
    )


def _far_below(values: np.ndarray) -> float:
    return float(values.mean() - WIDE * values.std(ddof=1)) if len(values) > 1 else -np.inf


def found_in(heard: Heard, trusted: Bounds | None) -> Found:
    """Which spans of a stem are wrong, if it is wrong only in places."""
    if trusted is None or not heard.known:
        return Found((), "")
    beyond = np.asarray(heard.facts > trusted.facts)
    seconds, segments = np.asarray(beyond.any(axis=1)), np.asarray(heard.usual < trusted.segment)
    if not seconds.any() and not segments.any():
        return Found((), NOWHERE)
    if seconds.mean() > LARGEST or segments.mean() > LARGEST:
        return Found((), EVERYWHERE)
    explained = _touched(heard, [(k, k + 1) for k in np.flatnonzero(seconds).tolist()])
    unexplained, rest = segments & ~explained, ~segments & ~explained
    spans = _merged([*_around_seconds(seconds), *_around_segments(heard, unexplained)], len(heard.facts))
    out = sum(stop - start for start, stop in spans)
    if out > (1 - LEAST_LEFT) * len(heard.facts) or not rest.any():
        return Found((), EVERYWHERE)
    if heard.usual[rest].mean() < trusted.rest or heard.whole < trusted.whole:
        return Found((), NOT_TRUSTED)
    why = [name for name, there in zip(FACTS, np.asarray(beyond.any(axis=0)), strict=True) if there]
    why += ["segments unlike trusted ones"] if unexplained.any() else []
    return Found(spans, f"wrong only in places, {out:.1f} of {len(heard.facts)} s: {', '.join(why)}")


def _touched(heard: Heard, spans: Iterable[tuple[float, float]]) -> np.ndarray:
    """Which segments ``(segment,)`` lie in one of the spans, if only in part."""
    touched = np.zeros(len(heard.start), dtype=bool)
    for start, stop in spans:
        touched |= (heard.start < stop) & (heard.start + heard.length > start)
    return touched


def _around_seconds(bad: np.ndarray) -> list[tuple[float, float]]:
    return [(k - 1.0, k + 2.0) for k in np.flatnonzero(bad).tolist()]


def _around_segments(heard: Heard, bad: np.ndarray) -> list[tuple[float, float]]:
    """Each with its own length on either side, and with what was not scored as far as the next one that was."""
    order = np.argsort(heard.start, kind="stable")
    start, stop = heard.start[order], (heard.start + heard.length)[order]
    before, after = np.append(-np.inf, stop[:-1]), np.append(start[1:], np.inf)
    wide = zip(
        np.minimum(start - heard.length[order], before), np.maximum(stop + heard.length[order], after), strict=True
    )
    return [(float(first), float(last)) for (first, last), here in zip(wide, bad[order], strict=True) if here]


def _merged(spans: Iterable[tuple[float, float]], seconds: float) -> Spans:
    """The spans inside 0 … ``seconds`` in order, those that meet as one."""
    merged: list[tuple[float, float]] = []
    for start, stop in sorted((max(0.0, start), min(float(seconds), stop)) for start, stop in spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        elif start < stop:
            merged.append((start, stop))
    return tuple(merged)
