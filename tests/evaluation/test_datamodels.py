"""The datamodelling score against models whose answer is known, and its arithmetic against other hands'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from raysep.evaluation import datamodels
from raysep.evaluation.ranking import auroc


def halves(subsets: int, items: int, seed: int = 0) -> np.ndarray:
    """bool ``(subset, item)`` random halves."""
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(items) < items // 2 for _ in range(subsets)])


# Rank correlation


@given(st.integers(0, 10_000))
def test_rank_correlation_is_scipys(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 6, (3, 12)), rng.standard_normal(12)
    found = datamodels.spearman(first, second)
    for row, value in zip(first, found, strict=True):
        if np.ptp(row):
            assert value == pytest.approx(spearmanr(row, second).statistic)
        else:
            assert np.isnan(value)


def test_what_has_no_order_agrees_with_nothing():
    assert np.isnan(datamodels.spearman(np.ones(5), np.arange(5)))
    assert np.isnan(datamodels.spearman(np.array([1.0]), np.array([2.0])))
    assert np.isnan(datamodels.spearman(np.array([1.0, np.nan, 2.0]), np.arange(3)))


# LDS


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_the_exact_datamodel_has_lds_one_and_its_opposite_minus_one(seed, scale, shift):
    """Where the loss is a linear function of who is in, its coefficients are the perfect attribution: minus them, since
    a higher score is of what lowers the loss. A constant for every item changes nothing, as halves are equally large."""
    rng = np.random.default_rng(seed)
    members, effect = halves(20, 14, seed), rng.standard_normal(14)
    losses = (3.0 + members @ effect)[:, None]
    scores = -scale * effect + shift
    assert datamodels.lds(datamodels.predictions(scores[None], members), losses) == pytest.approx(1.0)
    assert datamodels.lds(datamodels.predictions(-scores[None], members), losses) == pytest.approx(-1.0)


def test_influence_foretells_least_squares_on_halves():
    """Closed form instead of training: least squares on halves, tested on a shifted target, so that the first-order
    effect of an example, r x^T H^-1 g, is most of what it does."""
    rng = np.random.default_rng(3)
    x, truth = rng.standard_normal((80, 3)), rng.standard_normal(3)
    y, x_test = x @ truth + rng.standard_normal(80), rng.standard_normal((200, 3))
    y_test = x_test @ (truth + 5.0)

    def fit(rows):
        return np.linalg.lstsq(x[rows], y[rows], rcond=None)[0]

    members = halves(100, 80)
    losses = np.array([np.mean((x_test @ fit(m) - y_test) ** 2) for m in members])[:, None]
    whole = fit(np.ones(80, bool))
    gradient = 2 * x_test.T @ (x_test @ whole - y_test) / len(x_test)
    influence = -(y - x @ whole) * (x @ np.linalg.solve(x.T @ x, gradient))
    assert datamodels.lds(datamodels.predictions(influence[None], members), losses) > 0.9
    assert datamodels.random_lds(members, losses).high < 0.5


def test_random_scores_have_no_lds_and_the_bounds_of_chance():
    members, rng = halves(50, 40), np.random.default_rng(1)
    found = datamodels.random_lds(members, rng.standard_normal((50, 3)), draws=4000)
    assert found.estimate == pytest.approx(0.0, abs=0.02)
    assert found.high == pytest.approx(1.96 / np.sqrt(49), rel=0.15)
    assert found.low == pytest.approx(-found.high, rel=0.2)


def test_the_lds_of_several_models_is_their_mean():
    members, rng = halves(15, 10), np.random.default_rng(2)
    losses, scores = rng.standard_normal((15, 2)), rng.standard_normal((3, 10))
    each = [spearmanr(members @ score, -losses.mean(axis=1)).statistic for score in scores]
    assert datamodels.lds(datamodels.predictions(scores, members), losses) == pytest.approx(np.mean(each))


def test_a_missing_score_is_the_mean_of_its_label():
    scores = np.array([[1.0, np.nan, 3.0, 10.0, np.nan], [np.nan, np.nan, 2.0, np.nan, np.nan]])
    labels = np.array(["a", "a", "a", "b", "b"])
    found = datamodels.filled(scores, labels)
    np.testing.assert_array_equal(found, [[1, 2, 3, 10, 10], [2, 2, 2, np.nan, np.nan]])
    assert np.isnan(scores).sum() == 6  # the caller's array is as it was


# The ceiling


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_reliability_and_ceiling_are_those_of_the_variances(seeds):
    """True losses of variance 1 and noise of variance 2: reliability 1 / (1 + 2 / seeds), for normal values the rank
    correlation a little below Pearson's; the ceiling is what the true losses themselves reach."""
    rng = np.random.default_rng(seeds)
    true = rng.standard_normal(4000)
    losses = true[:, None] + np.sqrt(2.0) * rng.standard_normal((4000, seeds))
    expected = 1.0 / (1.0 + 2.0 / seeds)
    assert datamodels.reliability(losses) == pytest.approx(expected, abs=0.03)
    assert datamodels.ceiling(losses) == pytest.approx(spearmanr(true, losses.mean(axis=1)).statistic, abs=0.03)


def test_two_seeds_are_the_formula_of_spearman_and_brown():
    losses = np.random.default_rng(0).standard_normal((30, 1)) + np.random.default_rng(1).standard_normal((30, 2))
    r = spearmanr(losses[:, 0], losses[:, 1]).statistic
    assert datamodels.reliability(losses) == pytest.approx(2 * r / (1 + r))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), seeds=st.integers(2, 5))
def test_reliability_forgets_the_order_of_seeds_and_what_all_subsets_share(seed, seeds):
    rng = np.random.default_rng(seed)
    losses = rng.standard_normal((12, seeds))
    moved = (losses + rng.standard_normal(1))[:, rng.permutation(seeds)]
    assert datamodels.reliability(moved) == pytest.approx(datamodels.reliability(losses))
    assert datamodels.reliability(losses) <= 1.0


def test_the_noisy_end_of_reliability():
    assert np.isnan(datamodels.reliability(np.zeros((5, 1))))
    opposed = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]])
    assert datamodels.reliability(opposed) == -1.0
    assert datamodels.ceiling(opposed) == 0.0
    assert datamodels.reliability(np.arange(4.0)[:, None] + np.zeros((4, 3))) == pytest.approx(1.0)


# Agreement and detection


def test_labels_are_never_compared_with_each_other():
    labels = np.repeat(["a", "b"], 10)
    first = np.r_[np.arange(10.0), 100 + np.arange(10.0)]
    second = np.r_[np.arange(10.0), 50 - np.arange(10.0)]
    assert datamodels.within_label(first, second, labels) == pytest.approx(0.0)
    assert datamodels.within_label(first, 7 * first + 1000 * (labels == "a"), labels) == pytest.approx(1.0)
    second[:10] = np.nan
    assert datamodels.within_label(first, second, labels) == pytest.approx(-1.0)
    assert np.isnan(datamodels.within_label(first, np.full(20, np.nan), labels))


def test_macro_auroc_is_the_mean_over_kinds_of_ranks_within_labels():
    rng = np.random.default_rng(5)
    labels, kinds = np.repeat(["a", "b"], 30), rng.choice(["clean", "noise", "swap"], 60)
    scores = rng.standard_normal(60) + 100 * (labels == "b") - 1.0 * (kinds == "noise")
    scores[7] = np.nan
    known = np.isfinite(scores)
    rank = np.zeros(60)
    for label in "ab":
        members = known & (labels == label)
        rank[members] = [(scores[members] >= value).mean() for value in scores[members]]
    expected = [
        auroc(rank[known & part], kinds[known & part] == kind)
        for kind in ("noise", "swap")
        for part in [(kinds == kind) | (kinds == "clean")]
    ]
    found = datamodels.macro_auroc(scores, labels, kinds, np.ones((2, 60)))
    np.testing.assert_allclose(found, np.mean(expected))
    assert np.isnan(datamodels.macro_auroc(scores, labels, np.full(60, "clean"), np.ones((1, 60)))[0])


# All together


def test_a_perfect_attribution_is_told_from_random_weights():
    rng = np.random.default_rng(8)
    groups = np.repeat([f"t{k:02d}" for k in range(40)], 2)
    labels = np.tile(["a", "b"], 40)
    kinds = np.where(rng.random(80) < 0.4, "noise", "clean")
    effect = (kinds == "clean") + 0.2 * rng.standard_normal(80)
    tracks = halves(60, 40)
    members = np.repeat(tracks, 2, axis=1)
    losses = (-(members @ effect))[:, None] + 0.3 * rng.standard_normal((60, 2))
    items = datamodels.Items(tuple(map(str, range(80))), labels, groups, kinds)
    known = datamodels.Trainings(members, losses, labels)
    trained = effect + 0.05 * rng.standard_normal((2, 80))
    random, none = rng.standard_normal((2, 80)), np.full((2, 80), np.nan)
    told = datamodels.foretelling(trained, random, known, draws=100)
    assert told.lds.low > 0.8
    assert told.lds.estimate == pytest.approx(np.mean(told.lds_by_model))
    assert told.lds_of_mean.estimate >= min(told.lds_by_model)
    assert told.lds_random.low < 0.3 < told.lds.low
    found = datamodels.quality(trained, random, items, draws=100)
    assert found.agreement.low > 0.8
    assert found.against_random.low < 0 < found.against_random.high
    assert found.auroc.low > 0.95
    assert found.auroc_random.low < 0.5 < found.auroc_random.high
    without = datamodels.quality(none, trained, items, draws=10)
    assert np.isnan([without.agreement.estimate, without.auroc.estimate]).all()
    assert np.isnan(datamodels.foretelling(none, trained, known, draws=10).lds.estimate)
    blind = datamodels.foretelling(trained, none, known, draws=10)
    assert np.isnan(blind.lds_random.estimate)
    assert blind.lds == datamodels.foretelling(trained, random, known, draws=10).lds


def test_each_models_own_trainings_are_told_from_those_of_others():
    """Three models that know their own noise: the score foretells its own exactly, and of the others what they share."""
    rng = np.random.default_rng(4)
    shared, own = rng.standard_normal(40), rng.standard_normal((3, 40))
    predicted = shared + own
    same, other = datamodels.crossed(predicted, -(shared + own).T)
    assert same == pytest.approx(1.0)
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
    assert other == pytest.approx(np.mean([spearmanr(predicted[a], predicted[b]).statistic for a, b in pairs]))
    assert np.isnan(datamodels.crossed(predicted[:1], predicted[:1].T)[1])


def test_put_together_no_model_outweighs_another_by_its_unit():
    rng = np.random.default_rng(6)
    predicted = rng.standard_normal((2, 9))
    one = datamodels.together(predicted)
    np.testing.assert_allclose(datamodels.together(predicted * np.array([[1000.0], [1.0]])), one)
    assert np.isfinite(datamodels.together(np.zeros((2, 9)))).all()
