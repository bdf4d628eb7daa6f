import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.evaluation.bootstrap import (
    cluster_bootstrap,
    cluster_weights,
    gap_closed,
    hierarchical_bootstrap,
    interval_of,
    paired_difference,
)


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
            found = paired_difference(values, np.zeros(200), groups, draws=200, seed=trial)
            covered[name] += found.low <= 0 <= found.high
    assert covered["song"] >= 68
    assert covered["stem"] <= 60


def test_paired_difference_equals_the_bootstrap_of_its_mean():
    rng = np.random.default_rng(2)
    a, b, groups = rng.standard_normal(30), rng.standard_normal(30), np.arange(30) // 3
    fast = paired_difference(a, b, groups, draws=50, seed=5)
    slow = cluster_bootstrap(lambda rows: float((a - b)[rows].mean()), groups, draws=50, seed=5)
    assert (fast.estimate, fast.low, fast.high) == pytest.approx((slow.estimate, slow.low, slow.high))


def test_missing_values_leave_the_pair_out():
    found = paired_difference(np.array([1.0, np.nan, 3.0]), np.array([0.0, 0.0, np.nan]), np.arange(3), draws=10)
    assert (found.estimate, found.low, found.high) == (1, 1, 1)
    assert np.isnan(paired_difference(np.array([np.nan]), np.array([0.0]), np.array([0])).estimate)


def test_hierarchical_interval_holds_seed_noise():
    rng = np.random.default_rng(3)
    song = rng.standard_normal(50)
    quiet = song + np.zeros((5, 1))
    noisy = song + rng.standard_normal((5, 1))
    width = [
        np.diff([i.low, i.high])[0] for i in (hierarchical_bootstrap(np.mean, arm, draws=300) for arm in (quiet, noisy))
    ]
    assert width[1] > 1.5 * width[0]


def test_hierarchical_draws_pair_the_arms():
    rng = np.random.default_rng(4)
    base = 5 * rng.standard_normal((3, 20))
    found = hierarchical_bootstrap(lambda a, b: float(np.mean(a - b)), base + 0.25, base, draws=100)
    assert (found.low, found.high) == pytest.approx((0.25, 0.25))
    closed = hierarchical_bootstrap(gap_closed, base + 0.5, base, base + 1, draws=100)
    assert (closed.estimate, closed.low, closed.high) == pytest.approx((0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match="disagree"):
        hierarchical_bootstrap(gap_closed, base, base[:2], base)


def test_share_of_no_gap_is_undefined_and_counted():
    assert np.isnan(gap_closed(np.ones(3), np.ones(3), np.zeros(3)))
    found = interval_of(1.0, np.array([np.nan, 1.0, 2.0]))
    assert (found.undefined, found.draws) == (1, 3)
    empty = interval_of(1.0, np.array([np.nan]))
    assert np.isnan(empty.low)
    assert found.to_dict()["estimate"] == 1.0
