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
from raysep.evaluation.crossed import crossed_interval
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

    def defined(self, stems: Sequence[str]) -> list[str]:
        """The tracks in which every one of these stems has a finite value with every seed."""
        finite = np.isfinite(self.on(self.tracks, stems)).all(axis=(0, 2))
        return [track for track, whole in zip(self.tracks, finite, strict=True) if whole]


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
    tracks: int  # that count
    undefined: int  # tracks left out because a stem has no finite value with some seed
    seeds: int

    def to_dict(self) -> dict[str, Any]:
        measure = MEASURES[self.measure]
        about = {"model": self.model, "measure": self.measure, "unit": measure.unit, "frame_rule": measure.frames}
        about |= {"stem": self.stem, "track_aggregate": self.track_aggregate, "stem_aggregate": STEMS}
        counts = {"tracks": self.tracks, "undefined": self.undefined, "seeds": self.seeds}
        return about | self.value.to_dict() | counts


def figures(rows: Sequence[Mapping[str, Any]], measures: Sequence[str], draws: int = 2000) -> list[Figure]:
    """Mean and median over tracks of every measure, of each stem and over all stems, for every model in the rows.

    Over stems: the statistic over tracks of each stem first, then the mean over stems (the median of SDR is then
    museval's way), over the tracks in which all stems have a value. Seeds are averaged last.
    """
    found = []
    for model in dict.fromkeys(row["model"] for row in rows):
        for measure in measures:
            of_model = grid(rows, model, measure)
            for name, stems in ((STEMS, of_model.stems), *((stem, (stem,)) for stem in of_model.stems)):
                tracks = of_model.defined(stems)
                values = of_model.on(tracks, stems)
                for aggregate in AGGREGATES:
                    interval = crossed_interval(values, statistic=aggregate, draws=draws)
                    missing = len(of_model.tracks) - len(tracks)
                    about = (interval, len(tracks), missing, len(of_model.seeds))
                    found.append(Figure(model, measure, name, aggregate, *about))
    return found
