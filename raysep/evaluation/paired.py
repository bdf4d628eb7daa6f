"""Arms side by side: the same corpora, seeds and songs for all of them, and what one arm is against another.

Rows are ``draw, arm, seed, track, stem, sdr`` in any order; a draw is a corpus of songs of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysep.evaluation.bootstrap import Interval
from raysep.evaluation.compare import UNDECIDED, verdict
from raysep.evaluation.crossed import common
from raysep.evaluation.gate import Gate, gate
from raysep.evaluation.hierarchical import hierarchical_interval, hierarchical_share
from raysep.evaluation.table import grid
from raysep.seeds import ENOUGH_SEEDS

NOT_TOLD = "not told apart"

Values = tuple[np.ndarray, ...]  # of each draw ``(seed, song, stem)``, dB; NaN for what is left out of all arms


@dataclass(frozen=True)
class Paired:
    """What there is of every arm, and what had to be left out to have the same of all."""

    arms: dict[str, Values]
    draws: tuple[int, ...]
    seeds: tuple[int, ...]
    songs: tuple[int, ...]  # that count, of each draw
    left_out: tuple[
        str, ...
    ]  # "draw 0: test-3/vocals": stems without a finite value for some arm or seed (silent ones)
    arms_left_out: tuple[str, ...]  # missing in some draw

    def difference(self, arm: str, against: str) -> Values:
        return tuple(a - b for a, b in zip(self.arms[arm], self.arms[against], strict=True))


@dataclass(frozen=True)
class Versus:
    """Mean SDR of one arm minus that of another, in dB."""

    arm: str
    against: str
    over_corpora: Interval  # corpora, seeds and songs are drawn
    on_these: Interval  # the corpora are these: seeds and songs are drawn
    verdict: str  # in words


def paired(rows: Iterable[Mapping[str, Any]]) -> Paired:
    """Raises ``ValueError`` when there is no row, and when seeds or stems of the arms of a draw are not the same."""
    rows = list(rows)
    draws = tuple(sorted({row["draw"] for row in rows}))
    of_draw = {draw: [{**row, "model": row["arm"]} for row in rows if row["draw"] == draw] for draw in draws}
    there = [{row["arm"] for row in each} for each in of_draw.values()]
    if not rows or not set.intersection(*there):
        raise ValueError("no arm has results in every draw")
    names = sorted(set.intersection(*there))
    values: dict[str, list[np.ndarray]] = {name: [] for name in names}
    songs, left_out, seeds = [], [], set()
    for draw, each in of_draw.items():
        grids = {name: grid(each, name, "sdr") for name in names}
        shapes = {(g.seeds, tuple(sorted(g.stems))) for g in grids.values()}
        if len(shapes) > 1:
            raise ValueError(f"draw {draw}: the arms have other seeds or stems: {sorted(shapes)}")
        ((own_seeds, stems),) = shapes
        seeds.add(own_seeds)
        tracks = sorted({track for g in grids.values() for track in g.tracks})
        if any(g.tracks != tuple(tracks) for g in grids.values()):
            raise ValueError(f"draw {draw}: the arms have other songs")
        whole = {name: g.on(tracks, stems) for name, g in grids.items()}
        counted = common(*whole.values())  # (song, stem)
        left_out += [f"draw {draw}: {tracks[song]}/{stems[stem]}" for song, stem in np.argwhere(~counted)]
        some = counted.any(axis=1)
        songs.append(int(some.sum()))
        for name, each_arm in whole.items():
            values[name].append(np.where(counted, each_arm, np.nan)[:, some])
    if len(seeds) > 1:
        raise ValueError(f"the draws have other seeds: {sorted(seeds)}")
    return Paired(
        {name: tuple(each) for name, each in values.items()},
        draws,
        seeds.pop(),
        tuple(songs),
        tuple(left_out),
        tuple(sorted(set.union(*there) - set(names))),
    )


def versus(found: Paired, arm: str, against: str, draws: int = 2000) -> Versus:
    """One arm against another, and the verdict in words."""
    difference = found.difference(arm, against)
    over = hierarchical_interval(difference, draws=draws)
    these = hierarchical_interval(difference, fixed=True, draws=draws)
    return Versus(arm, against, over, these, in_words(over, these, len(found.draws), len(found.seeds)))


def in_words(over_corpora: Interval, on_these: Interval, draws: int, seeds: int) -> str:
    """What may be said: nothing more than the intervals do, and how much they rest on."""
    general, here = (NOT_TOLD if verdict(i) == UNDECIDED else verdict(i) for i in (over_corpora, on_these))
    if not np.isfinite([on_these.low, on_these.high]).all():
        return "no interval: one song"
    if general == here:
        said = here + (", on one corpus" if draws == 1 else "")
    else:
        said = f"{here} on these {draws} corpora, {general} over corpora like them"
    if seeds < ENOUGH_SEEDS:
        said += f" ({seeds} seed{'s' * (seeds != 1)}, fewer than {ENOUGH_SEEDS}{': seed noise is not in it' * (seeds == 1)})"
    return said


def closed(found: Paired, arm: str, low: str, high: str, draws: int = 2000) -> tuple[Interval, Interval]:
    """The share of the gap from ``low`` to ``high`` that the arm closes: over corpora, and on these."""
    part, whole = found.difference(arm, low), found.difference(high, low)
    return hierarchical_share(part, whole, draws=draws), hierarchical_share(part, whole, fixed=True, draws=draws)


def gates(found: Paired, clean: str, contaminated: str) -> list[Gate]:
    """Of each draw: may anything be measured in it?"""
    return [gate(*pair) for pair in zip(found.arms[clean], found.arms[contaminated], strict=True)]
