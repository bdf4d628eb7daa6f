"""The worst seconds of a stem, by the evidence that counts, the most exact evidence first.

A gap and a flat top are told from the samples to the millisecond; the scores of segments to a few seconds; a distance or a
spectrum's shape is of the whole stem and of no second of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from raysep.probes import signal

LONGEST = 4.0  # seconds that are marked
CLIPPED = 0.5  # seconds in which flat tops are counted
MARGIN = 0.05  # seconds around a gap, which alone would be too narrow to see


class Span(NamedTuple):
    start: float  # seconds in the stem
    stop: float
    why: str  # what is marked, in words


class Scored(NamedTuple):
    """A stem's audible segments: their times in seconds, levels in dBFS, and z ``(segment, probe)``, higher = more suspect."""

    start: np.ndarray
    seconds: np.ndarray
    level: np.ndarray
    z: np.ndarray
    probes: tuple[str, ...]


def worst_span(
    audio: np.ndarray, sample_rate: int, scored: Scored, loud: Sequence[str], facts: Mapping[str, bool]
) -> Span:
    """Of ``(channel, time)``.

    Args:
        scored: may hold no segment, or no probe.
        loud: the probes that speak against the stem, the loudest first.
        facts: of ``signal-dropout`` and ``signal-clipping``, whether that is what speaks against the stem: whether it is beyond
            every trusted one by it, or nothing is louder.
    """
    seconds = audio.shape[1] / sample_rate
    if facts.get("signal-dropout") and (found := signal.gaps(audio, sample_rate)):
        return _gap(found, sample_rate, seconds)
    if facts.get("signal-clipping") and (span := _clipped(audio, sample_rate)):
        return span
    telling = [name for name in loud if name in scored.probes][:3]
    if len(scored.start) and telling:
        columns = [scored.probes.index(name) for name in telling]
        worst = int(np.nan_to_num(scored.z[:, columns], nan=0.0).mean(axis=1).argmax())
        return _segment(scored, worst, seconds, "the segment that stands out most")
    if len(scored.start):
        loudest = int(np.nan_to_num(scored.level, nan=-np.inf).argmax())
        return _segment(scored, loudest, seconds, "its loudest segment: what speaks against it is of the whole stem")
    return _loudest(audio, sample_rate)


def _gap(found: Sequence[tuple[int, int]], sample_rate: int, seconds: float) -> Span:
    """The longest one with those that are near it, as far as they fit."""
    begin, end = max(found, key=lambda gap: gap[1] - gap[0])
    end = min(end, begin + round(LONGEST * sample_rate))
    for start, stop in sorted(found, key=lambda gap: abs(gap[0] - begin)):
        wider = min(begin, start), max(end, stop)
        if wider[1] - wider[0] <= LONGEST * sample_rate / 2:
            begin, end = wider
    why = "digital silence" if len(found) == 1 else f"digital silence, one of {len(found)} gaps"
    return Span(max(0.0, begin / sample_rate - MARGIN), min(seconds, end / sample_rate + MARGIN), why)


def _clipped(audio: np.ndarray, sample_rate: int) -> Span | None:
    flat = np.asarray(signal.flat_tops(audio).any(axis=0))
    start = densest(flat, round(CLIPPED * sample_rate))
    stop = min(len(flat), start + round(CLIPPED * sample_rate))
    return Span(start / sample_rate, stop / sample_rate, "most flat tops") if flat[start:stop].any() else None


def densest(values: np.ndarray, width: int) -> int:
    """The first sample of the window of ``width`` that holds most of ``values`` ``(time,)``."""
    if len(values) <= width:
        return 0
    summed = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return int((summed[width:] - summed[:-width]).argmax())


def _segment(scored: Scored, row: int, seconds: float, why: str) -> Span:
    start = float(scored.start[row])
    length = float(scored.seconds[row])
    cut = max(0.0, length - LONGEST) / 2
    return Span(start + cut, min(seconds, start + length - cut), why)


def _loudest(audio: np.ndarray, sample_rate: int) -> Span:
    width = round(LONGEST * sample_rate)
    start = densest(np.square(audio).mean(axis=0), width) / sample_rate
    return Span(
        start, min(audio.shape[1] / sample_rate, start + LONGEST), "its loudest seconds: no segment of it is scored"
    )
