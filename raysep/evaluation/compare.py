"""Is one model better than another? Paired on the tracks, and answered only when the interval leaves no doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysep.evaluation.bootstrap import Interval
from raysep.evaluation.crossed import crossed_interval
from raysep.evaluation.table import STEMS, Grid, grid

BETTER, WORSE, UNDECIDED = "better", "worse", "not distinguishable"


@dataclass(frozen=True)
class Comparison:
    """Mean over tracks of ``model`` minus ``against``, of one measure and one stem (or the mean over stems)."""

    model: str
    against: str
    measure: str
    stem: str  # a label, or ``STEMS``
    difference: Interval
    verdict: str  # of ``model``
    tracks: int  # compared
    tracks_better: int  # of these, in how many ``model`` is ahead, seeds averaged
    undefined: int  # tracks left out on both sides because one side has no finite value
    seeds: tuple[int, int]
    seeds_paired: bool

    def to_dict(self) -> dict[str, Any]:
        interval = {key: value for key, value in self.difference.to_dict().items() if key != "undefined"}
        return {key: value for key, value in vars(self).items() if key != "difference"} | {
            "difference": interval.pop("estimate"),
            **interval,
        }


def verdict(difference: Interval) -> str:
    """``better`` or ``worse`` when the interval is on one side of zero, else ``not distinguishable``."""
    if difference.low > 0:
        return BETTER
    return WORSE if difference.high < 0 else UNDECIDED


def compare(
    rows: Sequence[Mapping[str, Any]],
    model: str,
    against: str,
    measures: Sequence[str],
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> list[Comparison]:
    """Compare two models of the rows ``model, seed, track, stem, MEASURE …`` on the tracks and stems they share.

    A track in which either model has no finite value for a stem is left out for both. Trainings with the same set of
    seeds are paired by seed too, others are drawn apart. First the mean over stems, then each stem, for every measure.
    """
    found = []
    for measure in measures:
        ours, theirs = grid(rows, model, measure), grid(rows, against, measure)
        shared = tuple(stem for stem in ours.stems if stem in theirs.stems)
        for name, stems in ((STEMS, shared), *((stem, (stem,)) for stem in shared)):
            if stems:
                found.append(_compare(ours, theirs, stems, (model, against, measure, name), (draws, seed, level)))
    return found


def difference(
    ours: np.ndarray, theirs: np.ndarray, paired: bool, *, draws: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The interval of the mean of ``ours - theirs``, ``(seed, track[, stem])`` each, seeds ``paired`` or drawn apart."""
    values, against = (ours - theirs, None) if paired else (ours, theirs)
    return crossed_interval(values, against, draws=draws, seed=seed, level=level)


def _compare(
    ours: Grid, theirs: Grid, stems: Sequence[str], about: tuple[str, str, str, str], options: tuple[int, int, float]
) -> Comparison:
    known = set(theirs.defined(stems))
    tracks = [track for track in ours.defined(stems) if track in known]
    missing = len({*ours.tracks, *theirs.tracks}) - len(tracks)
    first, second = ours.on(tracks, stems), theirs.on(tracks, stems)
    paired = ours.seeds == theirs.seeds
    draws, seed, level = options
    interval = difference(first, second, paired, draws=draws, seed=seed, level=level)
    ahead = int((first.mean(axis=(0, 2)) > second.mean(axis=(0, 2))).sum())
    seeds = (len(ours.seeds), len(theirs.seeds))
    return Comparison(*about, interval, verdict(interval), len(tracks), ahead, missing, seeds, paired)
