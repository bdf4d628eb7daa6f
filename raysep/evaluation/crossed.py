"""Intervals over seeds and songs that were crossed: every seed was tested on every song.

A figure wanders for two reasons, the seeds and the songs that happened to be drawn. Each is resampled on its own and
the wanderings are added, each widened by the factor that makes a percentile interval as wide as Student's for so few
values (the idea of the expanded percentile interval: Hesterberg, "What Teachers Should Know About the Bootstrap", 2015).
Without that an interval over two or three seeds, drawn again from two or three, covers far less often than it says.

Songs need not have a value of every stem (a song without a singer has none of its vocals). What is missing is never
guessed: a song counts by the stems that it has, and arms are compared on the songs and stems that all of them have.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from raysep.evaluation.bootstrap import Interval, interval_of

CELLS = 4_000_000  # resampled at a time


def crossed_interval(
    values: np.ndarray,
    against: np.ndarray | None = None,
    *,
    statistic: str = "mean",
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """The interval of a statistic of ``values (seed, song[, stem])``, averaged over seeds; NaN and infinite = missing.

    ``mean``: the mean over the stems that a song has, then over songs. ``median``: the median over the songs that have a
    stem, then the mean over stems. A song's stem counts where every seed has a value of it. With ``against``, whose songs
    and stems are the same, the interval of the difference ``values - against``, on what counts in both: songs are paired.
    Seeds are not: an arm's seeds are drawn on their own. For trainings that share their seeds give the mean of the
    difference itself. One song gives no interval (NaN bounds); one seed gives one over songs alone, which says nothing of
    seed noise. A draw in which a stem has no song has no median: it is left out and counted as undefined.
    """
    arms = aligned(values) if against is None else aligned(values, against)
    estimate, drawn = resampled(arms, statistic, draws, seed, level)
    return interval_of(estimate, drawn, level)


def share_interval(
    part: np.ndarray, whole: np.ndarray, *, draws: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The interval of mean ``part`` / mean ``whole``, differences ``(seed, song[, stem])`` of arms with the same seeds.

    The same songs and seeds are drawn for both, of what both have. A share of a whole that is not above 0 means nothing:
    NaN; and where the whole cannot be told from 0 at this level, the share could be anything: NaN bounds.
    """
    of_part, of_whole = (resampled([arm], "mean", draws, seed, level) for arm in aligned(part, whole))
    return ratio_interval(of_part, of_whole, level)


def ratio_interval(part: tuple[float, np.ndarray], whole: tuple[float, np.ndarray], level: float) -> Interval:
    """Of two figures with ``(draw,)`` of each, the same draws for both: see ``share_interval`` for where there is none."""
    (above, of_part), (below, of_whole) = part, whole
    if not below > 0:
        return Interval(np.nan, np.nan, np.nan, level)
    # NaN draws, of a lone song, are no evidence either.
    told = np.count_nonzero(of_whole > 0) > (1 + level) / 2 * len(of_whole)
    return interval_of(
        above / below, of_part / np.where(of_whole > 0, of_whole, np.nan) if told else of_whole * np.nan, level
    )


def common(*arms: np.ndarray) -> np.ndarray:
    """``(song, stem)`` bool: what every seed of all arms ``(seed, song, stem)`` has a finite value of."""
    return np.logical_and.reduce([np.isfinite(arm).all(axis=0) for arm in arms])


def widening(count: int, level: float, groups: int = 1) -> float:
    """How much wider than a percentile interval a Student interval of ``count`` values is; 0 for one value.

    Of ``groups`` groups of as many values each, whose deviation is known from all of them together.
    """
    from scipy.stats import norm, t

    if count < 2:
        return 0.0
    tail = (1 + level) / 2
    return float(np.sqrt(count / (count - 1)) * t.ppf(tail, groups * (count - 1)) / norm.ppf(tail))


def aligned(*arms: np.ndarray) -> list[np.ndarray]:
    """The arms ``(seed, song, stem)`` with NaN where one of them misses a value, without songs and stems that have none."""
    arrays = [np.asarray(arm, dtype=float) for arm in arms]
    arrays = [arm[:, :, None] if arm.ndim == 2 else arm for arm in arrays]
    if any(arm.shape[1:] != arrays[0].shape[1:] for arm in arrays):
        raise ValueError(f"arms {[arm.shape for arm in arrays]}: need the same songs and stems")
    counted = common(*arrays)
    songs, stems = counted.any(axis=1), counted.any(axis=0)
    return [np.where(counted, arm, np.nan)[:, songs][:, :, stems] for arm in arrays]


def resampled(
    arms: list[np.ndarray], statistic: str, draws: int, seed: int, level: float, corpora: int = 1
) -> tuple[float, np.ndarray]:
    """The figure of ``aligned`` arms and ``(draw,)`` of it with its wanderings.

    All NaN when there is no song, and for one song the draws. ``corpora`` is how many corpora of such a shape the figure is
    to be averaged over: together they know the wandering better than one does, so that each is widened less.
    """
    songs = arms[0].shape[1]
    nothing = np.full(draws, np.nan)
    if not songs:
        return np.nan, nothing
    rng = np.random.default_rng([seed, 0xC055ED])
    drawn_songs = rng.integers(songs, size=(draws, songs))
    estimate, drawn = 0.0, np.zeros(draws)
    for arm, sign in zip(arms, (1.0, -1.0), strict=False):
        by_seed = STATISTICS[statistic](arm)  # (seed,)
        centre = by_seed.mean()
        estimate += sign * centre
        drawn += sign * widening(songs, level, corpora) * (_over_songs(arm, drawn_songs, statistic) - centre)
        drawn += sign * widening(len(arm), level, corpora) * (_over_seeds(by_seed, draws, rng) - centre)
    return float(estimate), estimate + drawn if songs > 1 else nothing


def _over_songs(arm: np.ndarray, drawn: np.ndarray, statistic: str) -> np.ndarray:
    """``(draw,)``: the statistic over the drawn songs, averaged over seeds and stems."""
    if statistic == "mean":  # a song's mean is the same in every draw: the fewer cells to draw from the better
        arm = np.nanmean(arm, axis=2).mean(axis=0)[None, :, None]
    step = max(1, CELLS // max(1, arm.size))
    parts = [drawn[start : start + step] for start in range(0, len(drawn), step)]
    return np.concatenate([STATISTICS[statistic](arm[:, part]).mean(axis=0) for part in parts])


def _over_seeds(by_seed: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """``(draw,)``: the mean over seeds drawn with replacement."""
    return by_seed[rng.integers(len(by_seed), size=(draws, len(by_seed)))].mean(axis=1)


def _mean(arm: np.ndarray) -> np.ndarray:
    """``(…, song, stem) -> (…)``: the mean over the stems that a song has, then over songs."""
    return np.nanmean(arm, axis=-1).mean(axis=-1)


def _median(arm: np.ndarray) -> np.ndarray:
    """``(…, song, stem) -> (…)``: the median over the songs that have a stem, then over stems; NaN if one has no song."""
    ordered = np.sort(arm, axis=-2)  # NaN last; numpy's nanmedian is a loop in Python
    count = np.isfinite(arm).sum(axis=-2, keepdims=True)
    # The two in the middle, or the one twice; of no value the first place, which is NaN.
    low, high = (np.take_along_axis(ordered, place, axis=-2) for place in (np.maximum(count - 1, 0) // 2, count // 2))
    return ((low + high) / 2)[..., 0, :].mean(axis=-1)


STATISTICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"mean": _mean, "median": _median}
