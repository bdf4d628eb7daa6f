"""Block Toeplitz systems against the matrix written out and a general solver."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.evaluation import toeplitz


def correlations(signals: np.ndarray, others: np.ndarray, lags: int) -> np.ndarray:
    """r[p, q, k] = Σ_t x_p(t - k) y_q(t), of the whole signals."""
    total = signals.shape[1]
    return np.array([[[x[: total - k] @ y[k:] for k in range(lags)] for y in others] for x in signals])


def matrix(correlation: np.ndarray) -> np.ndarray:
    """``(lag p, lag p)`` with unknowns in the order (lag, channel)."""
    size, lags = correlation.shape[0], correlation.shape[2]
    full = np.empty((lags, size, lags, size))
    for a in range(lags):
        for b in range(lags):
            full[a, :, b, :] = correlation[:, :, a - b] if a >= b else correlation[:, :, b - a].T
    return full.reshape(lags * size, lags * size)


def systems(seed: int, size: int, lags: int, sides: int, samples: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    signals = rng.standard_normal((size, samples))
    return correlations(signals, signals, lags), correlations(signals, rng.standard_normal((sides, samples)), lags)


def by_general_solver(correlation: np.ndarray, right: np.ndarray) -> np.ndarray:
    size, sides, lags = right.shape
    solution = np.linalg.solve(matrix(correlation), right.transpose(2, 0, 1).reshape(lags * size, sides))
    return solution.reshape(lags, size, sides).transpose(1, 2, 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 9), st.integers(1, 3))
def test_filters_are_those_of_a_general_solver(seed, size, lags, sides):
    correlation, right = systems(seed, size, lags, sides)
    np.testing.assert_allclose(toeplitz.solve(correlation, right), by_general_solver(correlation, right), atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 9))
def test_the_factor_is_choleskys(seed, size, lags):
    correlation, _ = systems(seed, size, lags, 1)
    expected = np.linalg.cholesky(matrix(correlation)).T
    np.testing.assert_allclose(toeplitz.factor(correlation), expected, atol=1e-10)


def test_the_product_is_the_matrixs():
    correlation, right = systems(1, 3, 7, 2)
    flat = matrix(correlation) @ right.transpose(2, 0, 1).reshape(21, 2)
    np.testing.assert_allclose(
        toeplitz.product(correlation, right), flat.reshape(7, 3, 2).transpose(1, 2, 0), atol=1e-9
    )


def test_systems_side_by_side_are_solved_as_each_alone():
    pairs = [systems(seed, 2, 6, 2) for seed in range(3)]
    together = toeplitz.solve(np.stack([c for c, _ in pairs]), np.stack([r for _, r in pairs]))
    for found, (correlation, right) in zip(together, pairs, strict=True):
        np.testing.assert_allclose(found, toeplitz.solve(correlation, right), atol=1e-12)


def test_a_silent_channel_has_no_filter_and_disturbs_no_other():
    rng = np.random.default_rng(2)
    signals, target = rng.standard_normal((3, 60)), rng.standard_normal((1, 60))
    signals[1] = 0
    found = toeplitz.solve(correlations(signals, signals, 5), correlations(signals, target, 5))
    alone = signals[[0, 2]]
    expected = toeplitz.solve(correlations(alone, alone, 5), correlations(alone, target, 5))
    assert not found[1].any()
    np.testing.assert_allclose(found[[0, 2]], expected, atol=1e-12)


def test_of_equal_channels_the_filtered_sum_is_what_counts():
    rng = np.random.default_rng(3)
    signals, target = rng.standard_normal((2, 60)), rng.standard_normal((1, 60))
    twice = np.concatenate([signals, signals[:1]])
    found = toeplitz.solve(correlations(twice, twice, 5), correlations(twice, target, 5))
    expected = toeplitz.solve(correlations(signals, signals, 5), correlations(signals, target, 5))
    np.testing.assert_allclose(found[0] + found[2], expected[0], atol=1e-9)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-9)


def test_a_second_solution_is_near_the_first_as_far_as_the_system_determines_it():
    correlation, right = systems(4, 2, 6, 2)
    first, second = toeplitz.solve_twice(correlation, right)
    assert 0 < np.abs(first - second).max() < 1e-12
    nearly = np.random.default_rng(4).standard_normal((1, 60))
    signals = np.concatenate([nearly, nearly + 1e-6 * np.random.default_rng(5).standard_normal((1, 60))])
    first, second = toeplitz.solve_twice(correlations(signals, signals, 5), correlations(signals, signals[::-1], 5))
    assert np.abs(first - second).max() > 1e-6


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_correlation_is_refused(value):
    correlation, right = systems(5, 2, 4, 1)
    correlation[0, 1, 2] = value
    with pytest.raises(np.linalg.LinAlgError):
        toeplitz.solve(correlation, right)
