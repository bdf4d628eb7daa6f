from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.probes.fad import ReferenceStatistics
from raysep.probes.fad.statistics import helmert, leave_one_out


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
    data = frames(sum(sizes) + 1, seed=seed, offset=30.0)
    first, *others = (ReferenceStatistics.from_frames(part) for part in np.split(data, np.cumsum(sizes)))
    merged, pooled = first.merge(*others), ReferenceStatistics.from_frames(data)
    assert merged.count == pooled.count
    np.testing.assert_allclose(merged.mean, pooled.mean, rtol=1e-13)
    np.testing.assert_allclose(merged.covariance, pooled.covariance, atol=1e-13 * np.abs(pooled.covariance).max())


@pytest.mark.parametrize("dimension", [6, 128])
def test_a_large_offset_costs_no_accuracy(dimension):
    data = np.random.default_rng(3).normal(size=(4000, dimension))
    exact = np.cov((data - data.mean(0)).T.astype(np.longdouble))  # spread one, offset 30
    first, *others = (ReferenceStatistics.from_frames(part) for part in np.array_split(data + 30.0, 37))
    assert np.abs(first.merge(*others).covariance - exact).max() / np.abs(exact).max() < 1e-12


def test_arrival_order_changes_no_bit():
    parts = [ReferenceStatistics.from_frames(frames(7 + i, seed=i)) for i in range(4)]
    expected = parts[0].merge(*parts[1:])
    for a, b, c, d in permutations(parts):
        for merged in (a.merge(b).merge(c).merge(d), a.merge(b, c, d), a.merge(b).merge(c.merge(d))):
            assert np.array_equal(merged.root, expected.root)
            assert np.array_equal(merged.mean, expected.mean)
            assert np.array_equal(merged.factor, expected.factor)


def test_merging_leaves_its_parts_alone():
    part = ReferenceStatistics.from_frames(frames(9))
    before = part.covariance.copy()
    part.merge(ReferenceStatistics.from_frames(frames(20, seed=1)))
    assert np.array_equal(ReferenceStatistics.from_frames(frames(9)).covariance, before)
    assert part.count == 9


def test_other_dimensions_do_not_merge():
    with pytest.raises(ValueError, match=r"\[3, 6\]"):
        ReferenceStatistics.from_frames(frames(9)).merge(ReferenceStatistics.from_frames(frames(9, dimension=3)))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_leave_one_out_is_the_merge_of_the_others(count):
    parts = [ReferenceStatistics.from_frames(frames(4 + i, seed=i, offset=i)) for i in range(count)]
    for left_out, statistics in enumerate(leave_one_out(parts)):
        first, *others = (part for i, part in enumerate(parts) if i != left_out)
        expected = first.merge(*others)
        assert statistics.count == expected.count
        np.testing.assert_allclose(statistics.mean, expected.mean, rtol=1e-12)
        np.testing.assert_allclose(statistics.covariance, expected.covariance, atol=1e-12 * expected.trace)


@pytest.mark.parametrize("count", [40, 5000])
def test_small_spreads_beside_large_ones_survive(count):
    """A covariance in float64 would hold nothing of a spread below 1e-8 of the largest."""
    data = np.random.default_rng(0).normal(size=(count, 4)) * [1.0, 1e-3, 1e-9, 1e-12] @ basis(4)
    expected = np.linalg.svd(data - data.mean(0), compute_uv=False)
    np.testing.assert_allclose(
        np.linalg.svd(ReferenceStatistics.from_frames(data).root, compute_uv=False), expected, atol=1e-14 * expected[0]
    )


def basis(dimension):
    return np.linalg.qr(np.random.default_rng(1).normal(size=(dimension, dimension)))[0]


@pytest.mark.parametrize("n", [2, 7, 40])
def test_helmert_contrasts_are_orthonormal_and_blind_to_the_mean(n):
    np.testing.assert_allclose(helmert(n) @ helmert(n).T, np.eye(n - 1), atol=1e-13)
    np.testing.assert_allclose(helmert(n) @ np.ones(n), 0.0, atol=1e-13)


def test_fewer_frames_than_dimensions_have_that_rank():
    statistics = ReferenceStatistics.from_frames(frames(5, dimension=20))
    assert statistics.factor.shape == (20, 4)


def test_bytes_round_trip_exactly():
    statistics = ReferenceStatistics.from_frames(frames(9))
    again = ReferenceStatistics.from_bytes(statistics.to_bytes())
    assert again.count == 9
    assert np.array_equal(again.mean, statistics.mean)
    assert np.array_equal(again.root, statistics.root)


def test_merging_what_was_saved_changes_no_bit_in_any_grouping():
    parts = [ReferenceStatistics.from_frames(frames(n, seed=i, offset=30.0)) for i, n in enumerate((1, 7, 40, 12, 3))]
    expected = parts[0].merge(*parts[1:])

    def saved(statistics):
        return ReferenceStatistics.from_bytes(statistics.to_bytes())

    a, b, c, d, e = map(saved, parts)
    for merged in (
        saved(a.merge(b)).merge(saved(c.merge(d, e))),
        saved(saved(e.merge(c)).merge(b)).merge(d, a),
        saved(a.merge(b, c, d, e)),
    ):
        for number in ("count", "mean", "root", "covariance", "factor"):
            assert np.array_equal(getattr(merged, number), getattr(expected, number)), number
        assert merged.to_bytes() == expected.to_bytes()


def test_what_was_saved_before_parts_were_kept_is_read():
    from safetensors.numpy import save

    statistics = ReferenceStatistics.from_frames(frames(9)).merge(ReferenceStatistics.from_frames(frames(4, seed=1)))
    old = {"count": np.array([statistics.count]), "mean": statistics.mean, "root": statistics.root}
    again = ReferenceStatistics.from_bytes(save(old))
    assert again.count == 13
    assert np.array_equal(again.mean, statistics.mean)
    assert np.array_equal(again.root, statistics.root)


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros(3), np.array([[1.0, np.nan]])])
def test_bad_frames_are_refused(bad):
    with pytest.raises(ValueError, match="frames"):
        ReferenceStatistics.from_frames(bad)


def test_one_frame_has_no_covariance():
    with pytest.raises(ValueError, match="two frames"):
        _ = ReferenceStatistics.from_frames(np.ones((1, 3))).covariance
