import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from raysep.evaluation.ranking import auroc, average_precision, finite_mean, roc_points, weighted_ranking

samples = st.integers(0, 10**6).map(np.random.default_rng)


@settings(max_examples=60, deadline=None)
@given(samples, st.integers(2, 40), st.integers(1, 6))
def test_against_scikit_learn_with_ties_and_weights(rng, n, levels):
    score = rng.integers(levels, size=n).astype(float)
    positive = np.r_[True, False, rng.random(n - 2) < 0.4]
    weights = np.vstack([np.ones(n), rng.integers(0, 4, n), np.ones(n)])
    weights[1, :2] += 1
    areas, precisions = weighted_ranking(score, positive, ~positive, weights)
    for draw in range(3):
        assert areas[draw] == pytest.approx(roc_auc_score(positive, score, sample_weight=weights[draw]))
        assert precisions[draw] == pytest.approx(average_precision_score(positive, score, sample_weight=weights[draw]))


@given(samples)
def test_mann_whitney_by_counting(rng):
    score, positive = rng.integers(4, size=12), np.r_[True, False, rng.random(10) < 0.5]
    pairs = [(p > n) + (p == n) / 2 for p in score[positive] for n in score[~positive]]
    assert auroc(score, positive) == pytest.approx(np.mean(pairs))


def test_extremes():
    assert auroc(np.array([1, 2, 3, 4]), np.array([0, 0, 1, 1])) == 1
    assert auroc(np.array([4, 3, 2, 1]), np.array([0, 0, 1, 1])) == 0
    assert auroc(np.ones(4), np.array([0, 0, 1, 1])) == 0.5
    assert np.isnan(auroc(np.ones(3), np.zeros(3)))
    assert np.isnan(auroc(np.zeros(0), np.zeros(0)))
    assert average_precision(np.ones(4), np.array([0, 0, 0, 1])) == 0.25


@settings(max_examples=40, deadline=None)
@given(samples)
def test_area_below_the_roc_points(rng):
    score, positive = rng.integers(5, size=20), np.r_[True, False, rng.random(18) < 0.5]
    points = np.array(roc_points(score, positive, ~positive))
    assert points[0].tolist() == [0, 0]
    assert points[-1].tolist() == [1, 1]
    area = (np.diff(points[:, 0]) * (points[1:, 1] + points[:-1, 1]) / 2).sum()
    assert area == pytest.approx(auroc(score, positive))


@given(samples)
def test_the_mean_of_what_is_finite_is_numpys_average(rng):
    values, weights = rng.normal(size=(5, 3)), rng.random(5) + 0.1
    values[rng.random((5, 3)) < 0.4] = np.nan
    for column, mean, plain in zip(values.T, finite_mean(values, weights), finite_mean(values), strict=True):
        kept = np.isfinite(column)
        if not kept.any():
            assert np.isnan(mean)
            assert np.isnan(plain)
        else:
            assert mean == pytest.approx(np.average(column[kept], weights=weights[kept]))
            assert plain == pytest.approx(np.mean(column[kept]))
