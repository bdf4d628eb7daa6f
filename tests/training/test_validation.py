from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raysep.training.validation import Validation


def after(values, **settings) -> Validation:
    validation = Validation(**settings)
    for step, value in enumerate(values):
        validation.note(10 * (step + 1), value)
    return validation


def test_the_best_are_the_highest_and_of_equals_the_first():
    assert after([1.0, 3.0, 2.0, 3.0], keep=3).best == [(3.0, 20), (3.0, 40), (2.0, 30)]


def test_training_ends_after_patience_validations_without_a_better_one():
    ended = [after([1.0, 2.0, 2.0, 1.5, 0.0][:n], patience=3).finished for n in range(6)]
    assert ended == [False, False, False, False, False, True]
    assert not after([3.0, 2.0, 1.0], patience=0).finished


def test_the_rate_falls_on_every_plateau_and_a_better_value_starts_the_wait_anew():
    values = [1.0, 0.5, 0.5, 0.5, 0.5, 2.0, 1.0, 3.0, 1.0, 1.0]
    factors = [after(values[:n], plateau_patience=2, plateau_factor=0.5).factor for n in range(11)]
    assert factors == [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.125]


@given(st.lists(st.floats(-50, 50), max_size=20), st.integers(1, 5))
def test_everything_follows_from_the_record(values, patience):
    settings = {"keep": 2, "patience": patience, "plateau_patience": patience}
    one, other = after(values, **settings), Validation(**settings)
    other.history = list(one.history)
    assert (one.best, one.finished, one.factor) == (other.best, other.finished, other.factor)
