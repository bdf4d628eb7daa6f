from __future__ import annotations

import numpy as np
import pytest

from raysep.evaluation.one_error import Shortfall, on_the_same, shortfalls, simplest, standard_error


@pytest.mark.parametrize(("seeds", "songs"), [(1, 8), (3, 8), (5, 6)])
def test_the_standard_error_is_how_much_the_mean_wanders(seeds, songs):
    """Songs, seeds and the rest drawn anew each time: the mean of the estimated variances is that of the means."""
    rng = np.random.default_rng(0)
    means, variances = [], []
    for _ in range(3000):
        seed_noise = 0.5 * rng.standard_normal((seeds, 1)) * (seeds > 1)  # one seed shows nothing of it
        values = rng.standard_normal((1, songs)) + seed_noise + 0.7 * rng.standard_normal((seeds, songs))
        means.append(values.mean())
        variances.append(standard_error(values) ** 2)
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.1)


def test_with_one_seed_it_is_that_of_a_mean_and_one_song_has_none():
    assert standard_error(np.array([[1.0, 2.0, 6.0]])) == pytest.approx(np.std([1, 2, 6], ddof=1) / np.sqrt(3))
    assert np.isnan(standard_error(np.array([[1.0], [2.0]])))


def test_only_what_all_candidates_have_counts():
    values = {"a": np.array([[[1.0, 3.0], [5.0, 5.0]]]), "b": np.array([[[2.0, np.nan], [4.0, 6.0]]])}
    assert {name: each.tolist() for name, each in on_the_same(values).items()} == {"a": [[1.0, 5.0]], "b": [[2.0, 5.0]]}


def test_songs_that_differ_do_not_excuse_a_candidate_that_is_worse_on_each_of_them():
    songs = np.array([[-5.0, 0.0, 9.0, 3.0]])  # a standard error of 2.9 dB, of the mean
    values = {"best": songs, "worse": songs - [[0.4, 0.5, 0.6, 0.5]], "alike": songs + [[0.3, -0.4, 0.1, -0.1]]}
    found = shortfalls(values, "best")
    assert found["best"] == Shortfall(0.0, 0.0)
    assert found["worse"].below == pytest.approx(0.5)
    assert found["worse"].error == pytest.approx(np.std([0.4, 0.5, 0.6, 0.5], ddof=1) / 2)
    assert [name for name, one in found.items() if one.is_none] == ["best", "alike"]


def test_the_simplest_of_those_that_are_as_good_wins():
    found = {"best": Shortfall(0.0, 0.0), "near": Shortfall(0.1, 0.2), "far": Shortfall(0.3, 0.2)}
    size = {"best": 3, "near": 2, "far": 1}
    assert simplest(found, size.__getitem__) == "near"
    assert simplest({**found, "near": Shortfall(0.1, float("nan"))}, size.__getitem__) == "best"
