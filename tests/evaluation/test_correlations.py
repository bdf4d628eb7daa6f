"""Correlations against sums written out."""

from __future__ import annotations

import numpy as np
import pytest

from raysep.evaluation.correlations import correlate


def lagged(x: np.ndarray, y: np.ndarray, lags: int) -> np.ndarray:
    return np.array([np.dot(x[: len(x) - k], y[k:]) if k < len(x) else 0.0 for k in range(lags)])


@pytest.mark.parametrize(
    ("samples", "window", "lags"),
    [(100, 25, 8), (103, 25, 8), (20, 20, 8), (5, 5, 8), (60, 7, 16)],
    ids=["whole windows", "a part left over", "one window", "fewer samples than lags", "windows shorter than the lags"],
)
def test_every_lag_of_every_pair_is_its_sum(samples, window, lags):
    rng = np.random.default_rng(0)
    references, estimates = rng.standard_normal((2, 3, samples, 2))
    found = correlate(references, estimates, window, lags)
    x = references.transpose(0, 2, 1).reshape(6, samples)
    y = np.concatenate([x, estimates.transpose(0, 2, 1).reshape(6, samples)])
    spans = [slice(start, start + window) for start in range(0, samples - window + 1, window)]
    expected = np.array([[[lagged(p[span], q[span], lags) for q in y] for p in x] for span in spans])
    np.testing.assert_allclose(found.windows, expected, atol=1e-12)
    np.testing.assert_allclose(found.track, [[lagged(p, q, lags) for q in y] for p in x], atol=1e-12)
    energies = [[np.square(stem[span]).sum() for stem in estimates] for span in spans]
    np.testing.assert_allclose(found.energies, energies, rtol=1e-12)


def test_integers_are_taken_as_they_are():
    rng = np.random.default_rng(1)
    references, estimates = rng.integers(-32768, 32768, (2, 1, 50, 1)).astype(np.int16)
    found = correlate(references, estimates, 50, 4)
    exact = lagged(references[0, :, 0].astype(np.int64), estimates[0, :, 0].astype(np.int64), 4)
    np.testing.assert_allclose(found.track[0, 1], exact, rtol=1e-12, atol=1e-2)
