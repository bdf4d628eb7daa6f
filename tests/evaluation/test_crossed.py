"""Intervals over seeds and songs: how often they cover, and against Student's, which is exact where it applies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from raysep.evaluation.bootstrap import interval_of
from raysep.evaluation.crossed import common, crossed_interval, share_interval, widening


def crossed(rng, seeds: int, songs: int, of_seed: float, of_song: float, of_cell: float) -> np.ndarray:
    """``(seed, song)`` of mean zero: seeds and songs each with an effect of their own, and noise."""
    noise = of_cell * rng.standard_normal((seeds, songs))
    return of_seed * rng.standard_normal((seeds, 1)) + of_song * rng.standard_normal(songs) + noise


def coverage(interval, worlds) -> float:
    found = [interval(values) for values in worlds]
    return float(np.mean([each.low <= 0 <= each.high for each in found]))


@pytest.mark.parametrize(
    ("seeds", "songs", "of_seed"), [(1, 8, 0.0), (1, 50, 0.0), (2, 20, 0.3), (3, 20, 0.3), (5, 50, 0.1)]
)
def test_the_interval_covers_as_often_as_it_says(seeds, songs, of_seed):
    rng = np.random.default_rng(seeds * songs)
    worlds = [crossed(rng, seeds, songs, of_seed, 0.3, 0.3) for _ in range(400)]
    covered = coverage(lambda values: crossed_interval(values, draws=400), worlds)
    assert covered >= 0.92  # 0.95 less two and a half standard errors of 400 worlds


def test_resampling_three_seeds_without_widening_does_not():
    rng = np.random.default_rng(0)
    worlds = [crossed(rng, 3, 20, 0.3, 0.3, 0.3) for _ in range(200)]

    def plain(values: np.ndarray):
        seeds, songs = values.shape
        cells = (np.ix_(rng.integers(seeds, size=seeds), rng.integers(songs, size=songs)) for _ in range(300))
        return interval_of(values.mean(), np.array([values[cell].mean() for cell in cells]))

    assert coverage(plain, worlds) < 0.88
    assert coverage(lambda values: crossed_interval(values, draws=300), worlds) > 0.92


@pytest.mark.parametrize("songs", [5, 12, 60])
def test_over_songs_alone_it_is_as_wide_as_students(songs):
    rng = np.random.default_rng(songs)
    ratios = []
    for _ in range(40):
        values = rng.standard_normal(songs)
        half = stats.t.ppf(0.975, songs - 1) * values.std(ddof=1) / np.sqrt(songs)
        found = crossed_interval(values[None], draws=2000)
        ratios.append((found.high - found.low) / (2 * half))
        assert found.estimate == pytest.approx(values.mean())
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.06)


def test_a_difference_pairs_songs():
    rng = np.random.default_rng(2)
    songs = 10 * rng.standard_normal(30)
    ours, theirs = songs + 0.5 + 0.1 * rng.standard_normal((2, 30)), songs + 0.1 * rng.standard_normal((2, 30))
    found = crossed_interval(ours, theirs)
    assert found.estimate == pytest.approx(ours.mean() - theirs.mean())
    assert found.low > 0.2
    assert crossed_interval(ours).low < -1  # unpaired, the songs drown it


def test_seeds_of_two_arms_are_drawn_apart():
    """Each arm's seed noise counts: the interval of a difference is wider than that of one arm against certainty."""
    rng = np.random.default_rng(3)
    ours, theirs = (rng.standard_normal((4, 1)) + 0.01 * rng.standard_normal((4, 25)) for _ in range(2))
    known = np.zeros((1, 25))
    width = {name: (i.high - i.low) for name, i in {
        "both": crossed_interval(ours, theirs), "ours": crossed_interval(ours, known), "theirs": crossed_interval(known, theirs)
    }.items()}  # fmt: skip
    assert width["both"] > max(width["ours"], width["theirs"])
    assert width["both"] == pytest.approx(np.hypot(width["ours"], width["theirs"]), rel=0.15)


def test_the_median_is_over_songs_then_the_mean_over_stems_and_seeds():
    values = np.array([[[1.0, 10.0], [2.0, 20.0], [9.0, 90.0]], [[3.0, 30.0], [4.0, 40.0], [5.0, 50.0]]])
    found = crossed_interval(values, statistic="median", draws=200)
    assert found.estimate == np.mean([2.0, 20.0, 4.0, 40.0])
    assert found.low < found.estimate < found.high
    assert crossed_interval(values).estimate == pytest.approx(values.mean())


def test_the_cells_drawn_at_once_change_nothing(monkeypatch):
    from raysep.evaluation import crossed as module

    values = np.random.default_rng(4).standard_normal((3, 17, 4))
    whole = crossed_interval(values, statistic="median", draws=50)
    monkeypatch.setattr(module, "CELLS", 500)
    assert crossed_interval(values, statistic="median", draws=50) == whole


def test_what_cannot_be_drawn_has_no_bounds():
    lone = crossed_interval(np.ones((3, 1)))
    assert lone.estimate == 1.0
    assert np.isnan([lone.low, lone.high]).all()
    assert np.isnan(crossed_interval(np.ones((3, 0))).estimate)
    assert widening(1, 0.95) == 0.0
    with pytest.raises(ValueError, match="need the same songs"):
        crossed_interval(np.ones((2, 3)), np.ones((2, 4)))
    assert np.isnan(crossed_interval(np.full((2, 3), np.nan)).estimate)


# Missing cells


def plain(statistic: str, *arms: np.ndarray) -> float:
    """The estimate by loops: what counts is what every seed of every arm ``(seed, song, stem)`` has."""
    _, songs, stems = arms[0].shape
    counts = {
        (song, stem)
        for song in range(songs)
        for stem in range(stems)
        if all(np.isfinite(arm[seed, song, stem]) for arm in arms for seed in range(len(arm)))
    }
    figures = []
    for arm in arms:
        of_seeds = []
        for seed in range(len(arm)):
            first, second = (songs, stems) if statistic == "mean" else (stems, songs)
            means = []
            for a in range(first):
                cells = [(a, b) if statistic == "mean" else (b, a) for b in range(second)]
                if held := [arm[seed, song, stem] for song, stem in cells if (song, stem) in counts]:
                    means.append(np.mean(held) if statistic == "mean" else np.median(held))
            of_seeds.append(np.mean(means) if means else np.nan)
        figures.append(np.mean(of_seeds))
    return figures[0] - figures[1] if len(arms) > 1 else figures[0]


@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 4)),
    missing=st.floats(0, 0.7),
    statistic=st.sampled_from(["mean", "median"]),
    paired=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_the_estimate_is_that_of_plain_loops_whatever_is_missing(seed, shape, missing, statistic, paired):
    rng = np.random.default_rng(seed)
    arms = [rng.standard_normal((shape[0] + extra, *shape[1:])) for extra in (0, 1)][: 1 + paired]
    for arm in arms:
        arm[rng.random(arm.shape) < missing] = rng.choice([np.nan, np.inf, -np.inf])
    found = crossed_interval(*arms, statistic=statistic, draws=20)
    assert found.estimate == pytest.approx(plain(statistic, *arms), nan_ok=True)
    # What is in a cell that does not count changes nothing, nor does the order of songs.
    order = rng.permutation(shape[1])
    turned = [np.where(common(*arms), arm, np.nan)[:, order] for arm in arms]
    assert crossed_interval(*turned, statistic=statistic, draws=20).estimate == pytest.approx(
        found.estimate, nan_ok=True
    )


def test_a_song_without_a_stem_counts_by_the_stems_that_it_has():
    values = np.array([[[1.0, 3.0], [5.0, np.nan], [np.nan, np.nan]]])
    assert crossed_interval(values, draws=50).estimate == np.mean([2.0, 5.0])
    assert crossed_interval(values, statistic="median", draws=50).estimate == np.mean([3.0, 3.0])


@pytest.mark.parametrize("songs", [12, 60])
def test_with_missing_cells_it_is_as_wide_as_students_of_the_songs_means(songs):
    rng = np.random.default_rng(songs)
    ratios = []
    for _ in range(40):
        values = rng.standard_normal((1, songs, 3))
        values[0, rng.random(songs) < 0.4, 2] = np.nan
        of_songs = np.array([row[np.isfinite(row)].mean() for row in values[0]])
        half = stats.t.ppf(0.975, songs - 1) * of_songs.std(ddof=1) / np.sqrt(songs)
        found = crossed_interval(values, draws=2000)
        ratios.append((found.high - found.low) / (2 * half))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_the_interval_covers_where_every_fourth_song_has_no_singer(statistic):
    rng = np.random.default_rng(7)
    worlds = []
    for _ in range(300):
        values = crossed(rng, 3, 20, 0.2, 0.3, 0.0)[:, :, None] + 0.3 * rng.standard_normal((3, 20, 2))
        values[:, rng.permutation(20)[:5], 1] = np.nan
        worlds.append(values)
    assert coverage(lambda values: crossed_interval(values, statistic=statistic, draws=300), worlds) >= 0.92


def test_a_share_is_of_the_cells_that_both_differences_have():
    gap = np.array([[[1.0, 2.0], [1.0, np.nan], [2.0, 2.0]]])
    part = np.array([[[0.5, 1.0], [0.5, 9.0], [1.0, np.inf]]])
    found = share_interval(part, gap, draws=50)
    assert found.estimate == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))


def test_a_share_of_a_gap_covers_it_and_pairs_the_arms():
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(200):
        gap = 1.0 + crossed(rng, 2, 20, 0.05, 0.3, 0.3)
        part = 0.6 * gap + crossed(rng, 2, 20, 0.02, 0.1, 0.1)
        found = share_interval(part, gap, draws=400)
        assert found.estimate == pytest.approx(part.mean() / gap.mean())
        covered.append(found.low <= 0.6 <= found.high)
    assert np.mean(covered) >= 0.91
    exact = share_interval(0.5 * gap, gap, draws=100)
    assert (exact.estimate, exact.low, exact.high) == pytest.approx((0.5, 0.5, 0.5))


def test_a_share_of_no_gap_is_undefined_and_of_a_doubtful_one_without_bounds():
    rng = np.random.default_rng(6)
    songs = rng.standard_normal((1, 20))
    assert np.isnan(share_interval(songs, songs * 0.0).estimate)
    doubtful = share_interval(np.full((1, 20), 0.1), songs - songs.mean() + 0.2)
    assert doubtful.estimate == pytest.approx(0.5)
    assert np.isnan([doubtful.low, doubtful.high]).all()
