"""From a row per model, track and stem to figures of a corpus that say how they were made.

The same separations give numbers decibels apart depending on the median or the mean over tracks, so every figure here
comes with its metric, frame rule, track aggregate and stem aggregate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysep.evaluation.bootstrap import Interval
from raysep.evaluation.crossed import common, crossed_interval
from raysep.evaluation.measures import MEASURES

STEMS = "mean over stems"  # the stem aggregate of the figures that are not of one stem
AGGREGATES = ("mean", "median")  # over tracks
INTERVALS = "95 %, percentile bootstrap over tracks and seeds, widened for their number"


@dataclass(frozen=True)
class Grid:
    """One model's values of one measure, ``(seed, track, stem)``; NaN where there is none."""

    values: np.ndarray
    seeds: tuple[int, ...]
    tracks: tuple[str, ...]
    stems: tuple[str, ...]

    def on(self, tracks: Iterable[str], stems: Iterable[str]) -> np.ndarray:
        """``(seed, track, stem)`` of these tracks and stems alone, all of which must be there."""
        rows = [self.tracks.index(track) for track in tracks]
        columns = [self.stems.index(stem) for stem in stems]
        return self.values[:, rows][:, :, columns]


def grid(rows: Iterable[Mapping[str, Any]], model: str, measure: str) -> Grid:
    """The rows ``model, seed, track, stem, MEASURE …`` of one model, arranged. A missing seed counts as seed 0.

    Raises ``ValueError`` for two rows of one seed, track and stem: they are of two models under one name.
    """
    cells: dict[tuple[int, str, str], float] = {}
    for row in rows:
        if row["model"] == model:
            key = (row["seed"] or 0, row["track"], row["stem"])
            if key in cells:
                raise ValueError(f"{model}: has two rows of seed {key[0]}, track {key[1]}, stem {key[2]}")
            cells[key] = np.nan if row[measure] is None else row[measure]
    # Stems keep the order in which the model gives them.
    seeds, tracks = sorted({key[0] for key in cells}), sorted({key[1] for key in cells})
    stems = list(dict.fromkeys(key[2] for key in cells))
    values = [[[cells.get((seed, track, stem), np.nan) for stem in stems] for track in tracks] for seed in seeds]
    shape = (len(seeds), len(tracks), len(stems))
    return Grid(np.array(values, dtype=float).reshape(shape), tuple(seeds), tuple(tracks), tuple(stems))


@dataclass(frozen=True)
class Figure:
    """One aggregated number and everything needed to know which one it is."""

    model: str
    measure: str
    stem: str  # a label, or ``STEMS``
    track_aggregate: str  # over tracks: "mean" or "median"
    value: Interval
    tracks: int  # that count: at least one of the stems has a finite value with every seed
    undefined: int  # tracks left out: none of the stems has
    left_out: int  # stems of the tracks that count, left out of their means: as silent references are of SDR
    seeds: int

    def to_dict(self) -> dict[str, Any]:
        measure = MEASURES[self.measure]
        about = {"model": self.model, "measure": self.measure, "unit": measure.unit, "frame_rule": measure.frames}
        about |= {"stem": self.stem, "track_aggregate": self.track_aggregate, "stem_aggregate": STEMS}
        counts = {name: getattr(self, name) for name in ("tracks", "undefined", "left_out", "seeds")}
        return about | self.value.to_dict() | counts


def figures(rows: Sequence[Mapping[str, Any]], measures: Sequence[str], draws: int = 2000) -> list[Figure]:
    """Mean and median over tracks of every measure, of each stem and over all stems, for every model in the rows.

    Over stems, the mean: of each track the mean over the stems that have a value, then over tracks; the median: over the
    tracks that have a value of a stem, then the mean over stems (museval's way). Seeds are averaged last. A stem of a track
    that lacks a value with some seed is left out for all seeds.
    """
    found = []
    for model in dict.fromkeys(row["model"] for row in rows):
        for measure in measures:
            of_model = grid(rows, model, measure)
            for name, stems in ((STEMS, of_model.stems), *((stem, (stem,)) for stem in of_model.stems)):
                values = of_model.on(of_model.tracks, stems)
                counts = counts_of(common(values))
                for aggregate in AGGREGATES:
                    interval = crossed_interval(values, statistic=aggregate, draws=draws)
                    found.append(Figure(model, measure, name, aggregate, interval, *counts, len(of_model.seeds)))
    return found


def counts_of(counted: np.ndarray) -> tuple[int, int, int]:
    """(tracks with a value, tracks without any, stems without one in those that have some) of ``(track, stem)`` bool."""
    some = counted.any(axis=1)
    return int(some.sum()), int((~some).sum()), int((~counted[some]).sum())
