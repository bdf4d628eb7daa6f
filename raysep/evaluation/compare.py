"""Is one model better than another? Paired on the tracks, and answered only when the interval leaves no doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysep.evaluation.bootstrap import Interval
from raysep.evaluation.crossed import common, crossed_interval
from raysep.evaluation.measures import MEASURES
from raysep.evaluation.table import STEMS, Grid, counts_of, grid

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
    undefined: int  # tracks left out on both sides because no stem has a finite value on both
    left_out: int  # stems of the compared tracks, left out likewise
    seeds: tuple[int, int]
    seeds_paired: bool

    def to_dict(self) -> dict[str, Any]:
        interval = {key: value for key, value in self.difference.to_dict().items() if key != "undefined"}
        return {key: value for key, value in vars(self).items() if key != "difference"} | {
            "difference": interval.pop("estimate"),
            **interval,
        }


def verdict(difference: Interval, higher_is_better: bool = True) -> str:
    """``better`` or ``worse`` when the interval is on one side of zero, else ``not distinguishable``."""
    if difference.low > 0:
        return BETTER if higher_is_better else WORSE
    if difference.high < 0:
        return WORSE if higher_is_better else BETTER
    return UNDECIDED


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

    A stem of a track that either model has no finite value of is left out for both; a track counts by the mean over the
    stems that are left. Trainings with the same set of seeds are paired by seed too, others are drawn apart. First the mean
    over stems, then each stem, for every measure.
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
    with np.errstate(invalid="ignore"):  # inf - inf: two values that do not count
        values, against = (ours - theirs, None) if paired else (ours, theirs)
    return crossed_interval(values, against, draws=draws, seed=seed, level=level)


def _compare(
    ours: Grid, theirs: Grid, stems: Sequence[str], about: tuple[str, str, str, str], options: tuple[int, int, float]
) -> Comparison:
    shared = [track for track in ours.tracks if track in set(theirs.tracks)]
    first, second = ours.on(shared, stems), theirs.on(shared, stems)
    counted = common(first, second)
    tracks, _, left_out = counts_of(counted)
    missing = len({*ours.tracks, *theirs.tracks}) - tracks
    paired = ours.seeds == theirs.seeds
    draws, seed, level = options
    interval = difference(first, second, paired, draws=draws, seed=seed, level=level)
    higher = about[2] not in MEASURES or MEASURES[about[2]].higher_is_better
    gaps = by_track(first, counted) - by_track(second, counted)
    ahead = int((gaps > 0 if higher else gaps < 0).sum())
    seeds = (len(ours.seeds), len(theirs.seeds))
    return Comparison(*about, interval, verdict(interval, higher), tracks, ahead, missing, left_out, seeds, paired)


def by_track(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """``(track,)``: the mean over seeds and over the stems that count, of the tracks in which some do."""
    some = counted.any(axis=1)
    return np.nanmean(np.where(counted, values, np.nan)[:, some], axis=2).mean(axis=0)
