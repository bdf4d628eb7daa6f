"""Intervals over corpora that were drawn, in each of which seeds and songs are crossed: the corpora are outermost.

A corpus is drawn, then the seeds and the songs in it (the hierarchical bootstrap: Saravanan et al. 2020,
arXiv 2007.07797). Each wandering is widened as ``crossed`` does it, that of the corpora too: two corpora know little of a
third. So two questions have two answers. ``fixed`` asks what holds on *these* corpora, over seeds and songs; else the
interval is of corpora like these. With one corpus both are the crossed interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raysep.evaluation.bootstrap import Interval, interval_of
from raysep.evaluation.crossed import aligned, ratio_interval, resampled, widening


def hierarchical_interval(
    corpora: Sequence[np.ndarray], *, fixed: bool = False, draws: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The interval of the mean over corpora, seeds, songs and stems of ``(seed, song[, stem])``, one for each corpus.

    For a difference of arms with the same corpora, seeds and songs give the differences: all of them are then paired.
    Every corpus counts the same, and in it a song by the stems that it has (``crossed``). NaN bounds where a corpus has a
    single song.
    """
    return interval_of(*_resampled([aligned(each)[0] for each in corpora], fixed, draws, seed, level), level)


def hierarchical_share(
    part: Sequence[np.ndarray],
    whole: Sequence[np.ndarray],
    *,
    fixed: bool = False,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """The interval of mean ``part`` / mean ``whole``, differences of arms with the same corpora, seeds and songs.

    The same are drawn for both. NaN, or NaN bounds, where the whole cannot be told from 0 (``crossed.share_interval``).
    """
    pairs = [aligned(*pair) for pair in zip(part, whole, strict=True)]
    of_part, of_whole = (_resampled([pair[side] for pair in pairs], fixed, draws, seed, level) for side in (0, 1))
    return ratio_interval(of_part, of_whole, level)


def _resampled(
    corpora: Sequence[np.ndarray], fixed: bool, draws: int, seed: int, level: float
) -> tuple[float, np.ndarray]:
    """The figure and ``(draw,)`` of it with its wanderings."""
    count = len(corpora)
    if not count:
        raise ValueError("no corpora: give at least one")
    centres = np.array([resampled([each], "mean", 1, seed, level)[0] for each in corpora])
    picked = np.broadcast_to(np.arange(count), (draws, count))
    if not fixed and count > 1:
        picked = np.random.default_rng([seed, 0xC0B0]).integers(count, size=(draws, count))
    inside = np.zeros(draws)
    for place in range(count):
        for number in np.unique(picked[:, place]):
            # Drawn anew at every place: a corpus that is drawn twice does not wander alike both times.
            own = seed + place * count + int(number)
            centre, wandering = resampled([corpora[number]], "mean", draws, own, level, count)
            chosen = picked[:, place] == number
            inside[chosen] += (wandering[chosen] - centre) / count
    figure = float(centres.mean())
    return figure, figure + inside + widening(count, level) * (centres[picked].mean(axis=1) - figure) * (not fixed)
