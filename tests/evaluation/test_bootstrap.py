import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.evaluation.bootstrap import cluster_bootstrap, cluster_weights, drawn_weights, interval_of


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.integers(0, 1000))
def test_whole_groups_are_drawn(groups, seed):
    groups = np.array(groups)
    weights = cluster_weights(groups, 5, seed)
    names = np.unique(groups)
    for draw in weights:
        counts = [np.unique(draw[groups == name]) for name in names]
        assert all(len(c) == 1 for c in counts)
        assert sum(int(c[0]) for c in counts) == len(names)
    order = np.random.default_rng(seed).permutation(len(groups))
    np.testing.assert_array_equal(cluster_weights(groups[order], 5, seed), weights[:, order])


def test_interval_of_a_mean_is_the_normal_one():
    values = np.random.default_rng(0).standard_normal(400)
    found = cluster_bootstrap(lambda rows: values[rows].mean(), np.arange(400), draws=1000)
    half = 1.96 * values.std() / 20
    assert found.estimate == pytest.approx(values.mean())
    assert found.high - found.estimate == pytest.approx(half, rel=0.12)
    assert found.estimate - found.low == pytest.approx(half, rel=0.12)


def test_coverage_needs_the_clusters():
    """Stems of a song agree: drawn one by one, the interval is far too narrow; drawn by song, it covers."""
    rng = np.random.default_rng(1)
    songs = np.repeat(np.arange(25), 8)
    covered = {"song": 0, "stem": 0}
    for trial in range(80):
        values = rng.standard_normal(25)[songs] + 0.3 * rng.standard_normal(200)
        for name, groups in (("song", songs), ("stem", np.arange(200))):
            found = cluster_bootstrap(lambda rows: values[rows].mean(), groups, draws=200, seed=trial)  # noqa: B023
            covered[name] += found.low <= 0 <= found.high
    assert covered["song"] >= 68
    assert covered["stem"] <= 60


def test_an_undefined_draw_is_left_out_and_counted():
    found = interval_of(1.0, np.array([np.nan, 1.0, 2.0]))
    assert (found.undefined, found.draws) == (1, 3)
    empty = interval_of(1.0, np.array([np.nan]))
    assert np.isnan(empty.low)
    assert found.to_dict()["estimate"] == 1.0


def test_draws_one_after_another_are_those_of_all_at_once():
    """Groups by name and by their number in the order of the names; against numpy's own draws, made together."""
    groups = np.array(["b", "a", "c", "b", "j", "k"] * 5)
    names, number = np.unique(groups, return_inverse=True)
    drawn = np.random.default_rng([7, 0xB007]).multinomial(len(names), np.full(len(names), 1 / len(names)), size=6)
    for named in (groups, number):
        assert np.array_equal(np.stack(list(drawn_weights(named, 6, 7))), drawn[:, number])
    assert np.array_equal(cluster_weights(groups, 6, 7), drawn[:, number])
    assert cluster_weights(groups, 0, 7).shape == (0, 30)
