from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.decision.descent import MOST, RATE, FromScores, PerStem, Trial, around_one, best, descend, scaled

STEMS = 60
LABELS = np.array(["vocals", "drums"])[np.arange(STEMS) % 2]
WRONG = np.arange(STEMS) % 3 == 0


class Regression:
    """Weighted least squares, of which the metagradient is known in closed form: a third of the targets are wrong.

    θ(w) = (Σ w_i x_i x_iᵀ + λ)⁻¹ Σ w_i x_i y_i,     dθ/dw_i = A⁻¹ x_i (y_i - x_i·θ)
    """

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.x, truth = rng.normal(size=(STEMS, 4)), rng.normal(size=4)
        self.y = self.x @ truth + 0.1 * rng.normal(size=STEMS)
        self.y[WRONG] = -3 * (self.x @ truth)[WRONG]
        self.halves = [(x, x @ truth) for x in rng.normal(size=(2, 40, 4))]

    def __call__(self, number: int, weights: np.ndarray) -> Trial:
        hessian = (self.x.T * weights) @ self.x + 1e-3 * np.eye(4)
        theta = np.linalg.solve(hessian, self.x.T @ (weights * self.y))
        (x, y), (other, wanted) = self.halves
        slope = 2 * x.T @ (x @ theta - y) / len(y)
        by_weights = np.linalg.solve(hessian, self.x.T * (self.y - self.x @ theta)).T @ slope
        return Trial(by_weights, float(np.square(other @ theta - wanted).mean()))


@pytest.mark.parametrize("kind", ["stems", "scores"])
def test_it_finds_weights_that_lower_the_loss_of_the_judging_half(kind):
    """By the scores of two probes, one of which knows something and one nothing, as by a weight for each stem."""
    rng = np.random.default_rng(1)
    scores = np.stack([~WRONG + rng.normal(size=STEMS), rng.normal(size=STEMS)], axis=1)
    start = PerStem.start(LABELS) if kind == "stems" else FromScores.start(scores, LABELS)
    rounds = descend(start, Regression(), rounds=6)
    assert (rounds[0].weights == 1).all()
    chosen = best(rounds)
    assert chosen.judged < 0.5 * rounds[0].judged
    assert chosen.weights[WRONG].mean() < chosen.weights[~WRONG].mean() - 0.3
    assert (chosen.weights >= 0).all()
    assert (chosen.weights <= MOST).all()


def test_it_ends_when_the_judging_half_gets_no_better():
    judged = iter([3.0, 2.0, 2.5, 2.0, 1.0, 1.0])
    rounds = descend(PerStem.start(LABELS), lambda number, w: Trial(np.ones(STEMS), next(judged)), rounds=5, patience=2)
    assert [one.judged for one in rounds] == [3.0, 2.0, 2.5, 2.0]
    assert best(rounds) is rounds[1]


def test_an_interrupted_descent_goes_on_where_it_was():
    kept: list[Trial] = []
    whole = descend(PerStem.start(LABELS), Regression(), on_round=lambda number, told: kept.append(told))
    numbers = []

    def again(number, weights):
        numbers.append(number)
        return Regression()(number, weights)

    resumed = descend(PerStem.start(LABELS), again, done=kept[:3])
    assert numbers == list(range(3, len(whole)))
    for one, other in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        assert one.judged == other.judged


@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 99))
def test_a_round_does_not_depend_on_a_label_s_scale(scale, seed):
    gradient = np.random.default_rng(seed).normal(size=STEMS)
    other = np.where(LABELS == "drums", scale, 1.0) * gradient
    moved, same = (PerStem.start(LABELS).moved(g).weights for g in (gradient, other))
    np.testing.assert_allclose(moved, same, rtol=1e-9)
    assert np.abs(moved - 1).max() <= RATE
    assert (np.sign(1 - moved) == np.sign(gradient)).all()


def test_a_label_s_weights_keep_their_ratios_around_one_and_a_label_without_any_stays():
    labels = np.array(["bass", "drums", "bass", "drums", "vocals"])
    found = around_one(np.array([0.5, 0.0, 1.5, 2.0, 0.0]), labels)
    np.testing.assert_allclose(found, [0.5, 0.0, 1.5, 2.0, 0.0])
    np.testing.assert_allclose(around_one(np.array([1.0, 3.0, 2.0, 0.0, 0.0]), labels), [2 / 3, 2.0, 4 / 3, 0.0, 0.0])


def test_no_gradient_moves_nothing():
    assert (scaled(np.zeros(STEMS), LABELS) == 0).all()
    assert (PerStem.start(LABELS).moved(np.zeros(STEMS)).weights == 1).all()
    start = FromScores.start(np.ones((STEMS, 2)), LABELS)
    assert (start.moved(np.ones(STEMS)).weights == 1).all()


def test_the_coefficients_follow_the_chain_rule():
    """The direction in which they move is that of steepest descent of the loss as a function of them."""
    rng = np.random.default_rng(2)
    start = FromScores.start(rng.normal(size=(STEMS, 3)), np.repeat("vocals", STEMS)).moved(rng.normal(size=STEMS))
    gradient, step = rng.normal(size=STEMS), 1e-6

    def loss(coefficients):
        return float(FromScores(start.features, start.labels, coefficients).weights @ gradient)

    slopes = [
        (loss(start.coefficients + step * e) - loss(start.coefficients - step * e)) / (2 * step) for e in np.eye(3)
    ]
    moved = start.moved(gradient).coefficients - start.coefficients
    np.testing.assert_allclose(moved / np.linalg.norm(moved), -np.array(slopes) / np.linalg.norm(slopes), rtol=1e-5)


def test_a_score_that_is_missing_says_nothing():
    scores = np.array([[1.0], [np.nan], [3.0], [5.0]])
    start = FromScores.start(scores, np.repeat("vocals", 4))
    assert start.features[1, 0] == 0
    np.testing.assert_allclose(start.features[[0, 2, 3], 0], np.array([-2, 0, 2]) / np.sqrt(8 / 3))
