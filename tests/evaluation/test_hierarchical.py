"""Intervals over corpora, seeds and songs: against a plain loop, against the crossed one, and how often they cover."""

from __future__ import annotations

import numpy as np
import pytest

from raysep.evaluation.bootstrap import interval_of
from raysep.evaluation.crossed import crossed_interval, share_interval, widening
from raysep.evaluation.hierarchical import hierarchical_interval, hierarchical_share


def corpora(rng, count, seeds=3, songs=20, of_corpus=0.3, of_seed=0.1, of_song=0.3, mean=0.0):
    """``count`` arrays ``(seed, song)``: corpora, seeds and songs each with an effect of their own, and noise."""
    return [
        mean
        + of_corpus * rng.standard_normal()
        + of_seed * rng.standard_normal((seeds, 1))
        + of_song * rng.standard_normal(songs)
        + 0.3 * rng.standard_normal((seeds, songs))
        for _ in range(count)
    ]


def plain(values, draws, rng):
    """The hierarchical bootstrap as it is told in words, one corpus, seed and song after another."""
    found = []
    for _ in range(draws):
        of_corpora = []
        for _ in range(len(values)):
            corpus = values[rng.integers(len(values))]
            seeds = [rng.integers(len(corpus)) for _ in range(len(corpus))]
            songs = [rng.integers(corpus.shape[1]) for _ in range(corpus.shape[1])]
            of_corpora.append(corpus[seeds][:, songs].mean())
        found.append(np.mean(of_corpora))
    return interval_of(np.mean([c.mean() for c in values]), np.array(found))


@pytest.mark.slow
@pytest.mark.parametrize(("of_corpus", "of_seed", "of_song"), [(0.5, 0.0, 0.3), (0.2, 0.5, 0.3), (0.1, 0.1, 1.0)])
def test_of_many_corpora_seeds_and_songs_it_is_what_a_plain_loop_finds(of_corpus, of_seed, of_song):
    """With thirty of each nothing is widened by more than a few hundredths, and the loop needs no widening either."""
    rng = np.random.default_rng(0)
    values = corpora(rng, 30, 30, 30, of_corpus, of_seed, of_song)
    ours, theirs = hierarchical_interval(values, draws=800), plain(values, 600, rng)
    assert ours.estimate == pytest.approx(theirs.estimate)
    half = (theirs.high - theirs.low) / 2
    assert widening(30, 0.95) < 1.07
    assert ours.low == pytest.approx(theirs.low, abs=0.2 * half)
    assert ours.high == pytest.approx(theirs.high, abs=0.2 * half)


@pytest.mark.parametrize("fixed", [False, True])
def test_one_corpus_gives_the_crossed_interval(fixed):
    rng = np.random.default_rng(1)
    (values,), (gap,) = corpora(rng, 1), corpora(rng, 1, mean=3.0)
    assert hierarchical_interval([values], fixed=fixed, draws=300) == crossed_interval(values, draws=300)
    assert hierarchical_share([values], [gap], fixed=fixed, draws=300) == share_interval(values, gap, draws=300)


@pytest.mark.parametrize(("count", "seeds", "of_corpus"), [(2, 3, 0.3), (2, 2, 0.0), (3, 3, 0.3), (5, 2, 0.1)])
def test_it_covers_what_corpora_like_these_have(count, seeds, of_corpus):
    rng = np.random.default_rng(10 * count + seeds)
    worlds = [corpora(rng, count, seeds, of_corpus=of_corpus) for _ in range(100)]
    found = [hierarchical_interval(world, draws=200) for world in worlds]
    assert np.mean([each.low <= 0 <= each.high for each in found]) >= 0.9  # 0.95 less two standard errors


def test_of_these_corpora_it_covers_what_they_have_and_is_no_wider():
    """The mean of the corpora that were drawn; without widening by what two or three of them know of others."""
    rng = np.random.default_rng(3)
    covered, narrower = [], []
    for _ in range(100):
        own = rng.standard_normal(3)
        world = [each + effect for each, effect in zip(corpora(rng, 3, of_corpus=0.0), own, strict=True)]
        fixed, free = (hierarchical_interval(world, fixed=f, draws=200) for f in (True, False))
        covered.append(fixed.low <= own.mean() <= fixed.high)
        narrower.append(fixed.high - fixed.low < free.high - free.low)
    assert np.mean(covered) >= 0.9
    assert all(narrower)


def test_every_corpus_counts_the_same_however_many_songs_it_has():
    values = [np.full((2, 50), 1.0), np.full((2, 5), 3.0)]
    assert hierarchical_interval(values, draws=50).estimate == 2.0
    fixed = hierarchical_interval(values, fixed=True, draws=50)
    assert (fixed.low, fixed.high) == pytest.approx((2.0, 2.0))


def test_a_share_pairs_corpora_seeds_and_songs():
    gap = corpora(np.random.default_rng(4), 3, mean=4.0)
    exact = hierarchical_share([0.5 * each for each in gap], gap, draws=200)
    assert (exact.estimate, exact.low, exact.high) == pytest.approx((0.5, 0.5, 0.5))
    nothing = hierarchical_share(gap, [0.0 * each for each in gap], draws=50)
    assert np.isnan([nothing.estimate, nothing.low]).all()
    doubtful = hierarchical_share(gap, [each - each.mean() + 0.01 for each in gap], fixed=True, draws=200)
    assert np.isfinite(doubtful.estimate)
    assert np.isnan([doubtful.low, doubtful.high]).all()


def test_no_corpora_are_refused_and_a_lone_song_has_no_interval():
    with pytest.raises(ValueError, match="no corpora"):
        hierarchical_interval([])
    assert np.isnan(hierarchical_interval([np.ones((2, 1)), np.ones((2, 1))], draws=20).low)
