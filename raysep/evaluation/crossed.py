"""Intervals over seeds and songs that were crossed: every seed was tested on every song.

A figure wanders for two reasons, the seeds and the songs that happened to be drawn. Each is resampled on its own and
the wanderings are added, each widened by the factor that makes a percentile interval as wide as Student's for so few
values (the idea of the expanded percentile interval: Hesterberg, "What Teachers Should Know About the Bootstrap", 2015).
Without that an interval over two or three seeds, drawn again from two or three, covers far less often than it says.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from raysep.evaluation.bootstrap import Interval, interval_of

STATISTICS: dict[str, Callable[..., np.ndarray]] = {"mean": np.mean, "median": np.median}
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
    """The interval of the statistic over songs, averaged over seeds and stems, of ``values (seed, song[, stem])``.

    With ``against``, whose songs and stems are the same, that of the difference ``values - against``: songs are paired.
    Seeds are not: an arm's seeds are drawn on their own. For trainings that share their seeds give the mean of the
    difference itself. Songs and stems must be finite. One song gives no interval (NaN bounds); one seed gives one over
    songs alone, which says nothing of seed noise.
    """
    estimate, drawn = _draws(values, against, statistic, draws, seed, level)
    return interval_of(estimate, drawn, level)


def share_interval(
    part: np.ndarray, whole: np.ndarray, *, draws: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """The interval of mean ``part`` / mean ``whole``, differences ``(seed, song[, stem])`` of arms with the same seeds.

    The same songs and seeds are drawn for both. A share of a whole that is not above 0 means nothing: NaN; and where the
    whole cannot be told from 0 at this level, the share could be anything: NaN bounds.
    """
    (above, of_part), (below, of_whole) = (_draws(arm, None, "mean", draws, seed, level) for arm in (part, whole))
    if not below > 0:
        return Interval(np.nan, np.nan, np.nan, level)
    # NaN draws, of a lone song, are no evidence either.
    told = np.count_nonzero(of_whole > 0) > (1 + level) / 2 * draws
    return interval_of(
        above / below, of_part / np.where(of_whole > 0, of_whole, np.nan) if told else of_whole * np.nan, level
    )


def _draws(
    values: np.ndarray, against: np.ndarray | None, statistic: str, draws: int, seed: int, level: float
) -> tuple[float, np.ndarray]:
    """The figure and ``(draw,)`` of it with its wanderings; all NaN when there is no song, and for one song the draws."""
    arms = [np.asarray(arm, dtype=float) for arm in (values, against) if arm is not None]
    arms = [arm[:, :, None] if arm.ndim == 2 else arm for arm in arms]
    songs = arms[0].shape[1]
    if any(arm.shape[1:] != arms[0].shape[1:] for arm in arms) or not all(np.isfinite(arm).all() for arm in arms):
        raise ValueError(f"arms {[arm.shape for arm in arms]}: need the same songs and stems, all of them finite")
    nothing = np.full(draws, np.nan)
    if not songs:
        return np.nan, nothing
    rng = np.random.default_rng([seed, 0xC055ED])
    drawn_songs = rng.integers(songs, size=(draws, songs))
    estimate, drawn = 0.0, np.zeros(draws)
    for arm, sign in zip(arms, (1.0, -1.0), strict=False):
        by_seed = STATISTICS[statistic](arm, axis=1).mean(axis=-1)  # (seed,)
        centre = by_seed.mean()
        estimate += sign * centre
        drawn += sign * widening(songs, level) * (_over_songs(arm, drawn_songs, statistic) - centre)
        drawn += sign * widening(len(arm), level) * (_over_seeds(by_seed, draws, rng) - centre)
    return float(estimate), estimate + drawn if songs > 1 else nothing


def widening(count: int, level: float) -> float:
    """How much wider than a percentile interval a Student interval of ``count`` values is; 0 for one value."""
    from scipy.stats import norm, t

    if count < 2:
        return 0.0
    tail = (1 + level) / 2
    return float(np.sqrt(count / (count - 1)) * t.ppf(tail, count - 1) / norm.ppf(tail))


def _over_songs(arm: np.ndarray, drawn: np.ndarray, statistic: str) -> np.ndarray:
    """``(draw,)``: the statistic over the drawn songs, averaged over seeds and stems."""
    if statistic == "mean":  # the order of means does not matter: the fewer cells to draw from the better
        arm = arm.mean(axis=(0, 2), keepdims=True)
    step = max(1, CELLS // max(1, arm.size))
    parts = [drawn[start : start + step] for start in range(0, len(drawn), step)]
    return np.concatenate([STATISTICS[statistic](arm[:, part], axis=2).mean(axis=(0, 2)) for part in parts])


def _over_seeds(by_seed: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """``(draw,)``: the mean over seeds drawn with replacement."""
    return by_seed[rng.integers(len(by_seed), size=(draws, len(by_seed)))].mean(axis=1)
