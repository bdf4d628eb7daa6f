from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.probes.fad import ReferenceStatistics
from raysep.probes.fad.statistics import merge_all


def frames(count, dimension=6, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, dimension)) @ rng.normal(size=(dimension, dimension)) + offset


def test_mean_and_covariance_are_numpys():
    data = frames(50)
    statistics = ReferenceStatistics.from_frames(data)
    np.testing.assert_allclose(statistics.mean, data.mean(0), rtol=1e-14)
    np.testing.assert_allclose(statistics.covariance, np.cov(data.T), rtol=1e-13)
    np.testing.assert_allclose(statistics.factor @ statistics.factor.T, np.cov(data.T), rtol=1e-10)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=7), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_merging_equals_pooling(sizes, seed):
    data = frames(sum(sizes), seed=seed, offset=30.0)
    parts = np.split(data, np.cumsum(sizes)[:-1])
    merged = merge_all({f"{i:03d}": ReferenceStatistics.from_frames(part) for i, part in enumerate(parts)})
    pooled = ReferenceStatistics.from_frames(data)
    assert merged.count == pooled.count
    np.testing.assert_allclose(merged.mean, pooled.mean, rtol=1e-13)
    np.testing.assert_allclose(merged.scatter, pooled.scatter, rtol=1e-11, atol=1e-11 * np.abs(pooled.scatter).max())


def test_a_large_offset_costs_no_accuracy():
    data = frames(4000, seed=3)
    exact = ReferenceStatistics.from_frames(data).covariance
    shifted = data + 30.0
    merged = merge_all({str(i): ReferenceStatistics.from_frames(p) for i, p in enumerate(np.split(shifted, 8))})
    assert np.abs(merged.covariance - exact).max() / np.abs(exact).max() < 1e-12


def test_arrival_order_changes_no_bit():
    parts = {f"shard-{i}": ReferenceStatistics.from_frames(frames(7 + i, seed=i)) for i in range(4)}
    expected = merge_all(parts)
    for order in permutations(parts):
        merged = merge_all({name: parts[name] for name in order})
        assert np.array_equal(merged.scatter, expected.scatter)
        assert np.array_equal(merged.mean, expected.mean)


def test_fewer_frames_than_dimensions_have_that_rank():
    statistics = ReferenceStatistics.from_frames(frames(5, dimension=20))
    assert statistics.factor.shape == (20, 4)


def test_bytes_round_trip_exactly():
    statistics = ReferenceStatistics.from_frames(frames(9))
    again = ReferenceStatistics.from_bytes(statistics.to_bytes())
    assert again.count == 9
    assert np.array_equal(again.mean, statistics.mean)
    assert np.array_equal(again.scatter, statistics.scatter)


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros(3), np.array([[1.0, np.nan]])])
def test_bad_frames_are_refused(bad):
    with pytest.raises(ValueError, match="frames"):
        ReferenceStatistics.from_frames(bad)


def test_one_frame_has_no_covariance():
    with pytest.raises(ValueError, match="two frames"):
        _ = ReferenceStatistics.from_frames(np.ones((1, 3))).covariance
