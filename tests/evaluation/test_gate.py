"""The gate by closed forms: two seeds at d ± s deviate by s √2, so the gate is passed from d = 5 √2 s on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.evaluation.gate import gate


@pytest.mark.parametrize(("half_spread", "passed"), [(0.25, False), (0.15, False), (0.14, True), (0.0, True)])
def test_two_seeds_pass_up_to_a_half_spread_of_a_fifth_over_root_two(half_spread, passed):
    """1 dB apart: passed while 5 √2 s ≤ 1, which is s ≤ 0.1414."""
    found = gate(np.array([5.0 + half_spread, 5.0 - half_spread]), np.array([4.0, 4.0]))
    assert found.db == pytest.approx(1.0)
    assert found.deviation == pytest.approx(half_spread * np.sqrt(2))
    assert found.passed == passed
    assert ("not passed" in found.words) != passed


def test_exactly_five_times_is_enough():
    """Seeds at 5 ± 1: mean 5, and with three values 4, 5, 6 a deviation of exactly 1."""
    assert gate(np.array([4.0, 5.0, 6.0]), np.zeros(3)).passed
    assert not gate(np.array([4.0, 5.0, 6.0]), np.zeros(3), factor=5.1).passed


def test_what_both_arms_share_with_a_seed_does_not_count_against_them():
    seeds = np.array([0.0, 3.0, -7.0])
    found = gate(5.0 + seeds, 4.0 + seeds)
    assert (found.deviation, found.passed) == (pytest.approx(0.0), True)


def test_one_seed_never_passes_and_says_why():
    found = gate(np.array([[9.0, 9.0]]), np.array([[1.0, 1.0]]))
    assert (found.db, found.passed) == (8.0, False)
    assert "1 seed," in found.words


def test_worse_than_contaminated_or_no_difference_never_passes():
    assert not gate(np.array([1.0, 1.0]), np.array([2.0, 2.0])).passed
    assert not gate(np.array([2.0, 2.0]), np.array([2.0, 2.0])).passed


def test_a_cell_without_a_value_is_left_out_of_both_arms():
    clean, spoilt = np.full((2, 3, 2), 4.0), np.full((2, 3, 2), 1.0)
    clean[0, 1, 0], spoilt[1, 2, 1] = np.nan, -np.inf
    assert gate(clean, spoilt).db == 3.0
    assert not gate(np.full((2, 1), np.nan), np.zeros((2, 1))).passed


def test_arms_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="need the same seeds"):
        gate(np.zeros((2, 3)), np.zeros((3, 3)))


@given(st.integers(0, 10**6).map(np.random.default_rng), st.floats(-20, 20), st.floats(0.1, 10))
def test_level_and_unit_change_no_verdict(rng, level, unit):
    clean, spoilt = rng.normal(1, 0.1, (3, 4)), rng.normal(0, 0.1, (3, 4))
    first, second = gate(clean, spoilt), gate(unit * (clean + level), unit * (spoilt + level))
    assert second.db == pytest.approx(unit * first.db)
    assert second.deviation == pytest.approx(unit * first.deviation, abs=1e-9)
    order = rng.permutation(3)
    assert gate(clean[order], spoilt[order]).db == pytest.approx(first.db)
