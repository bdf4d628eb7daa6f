from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.training.groups import EVEN, LEAST, dealt, how_many, most

STEPS = st.lists(st.integers(1, 1000), min_size=1, max_size=12)

# Dealing


@given(steps=STEPS, count=st.integers(1, 5))
def test_every_training_is_in_one_group_and_in_its_order(steps, count):
    groups = dealt(steps, count)
    assert len(groups) == count
    assert sorted(number for group in groups for number in group) == list(range(len(steps)))
    assert all(group == sorted(group) for group in groups)
    assert all(groups) or len(steps) < count


@given(steps=STEPS, count=st.integers(1, 5))
def test_the_longest_group_is_longer_than_an_equal_share_by_less_than_one_training(steps, count):
    sums = [sum(steps[number] for number in group) for group in dealt(steps, count)]
    assert max(sums) < Fraction(sum(steps), count) + max(steps)


def test_a_long_training_is_a_group_of_its_own():
    assert dealt([600, 360, 360], 2) == [[0], [1, 2]]
    assert dealt([10] * 5, 2) == [[0, 2, 4], [1, 3]]


# How many


def test_sums_of_two_gradients_have_no_order():
    """In numbers of a machine: of two any order gives the same, of three one may not."""
    values = [0.1, 0.2, 0.3]
    assert all(a + b == b + a for a, b in combinations(values, 2))
    assert (0.1 + 0.2) + 0.3 != 0.1 + (0.2 + 0.3)
    assert [most(workers, 1) for workers in (1, 2, 3, 8)] == [1, 2, 1, 1]
    assert most(2, 2) == 1  # four pieces in one process, two and two in two


@given(
    asked=st.integers(0, 5),
    trainings=st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 8)), min_size=1, max_size=12),
    room=st.floats(0, 16),
    limit=st.integers(1, 5),
)
def test_never_more_groups_than_trainings_or_than_asked_for_or_than_fit(asked, trainings, room, limit):
    steps, needs = zip(*trainings, strict=True)
    count = how_many(asked, steps, needs, room, limit)
    assert 1 <= count <= min(len(steps), limit, asked or limit)
    if count > 1:
        assert all(sum(some) <= room + 1e-9 for some in combinations(needs, count))
        sums = [sum(steps[k] for k in group) for group in dealt(steps, count)]
        assert asked or (count * max(sums) <= EVEN * sum(steps) and min(sums) >= LEAST)


@pytest.mark.parametrize(
    ("asked", "steps", "needs", "count"),
    [
        (0, [600] * 4, [2.0] * 4, 2),
        (1, [600] * 4, [2.0] * 4, 1),
        (2, [600] * 4, [2.0] * 4, 2),
        (0, [600], [2.0], 1),
        (0, [600] * 4, [2.0, 2.0, 5.0, 3.5], 1),  # the two that need most, 8.5 of 8
        (2, [600] * 4, [2.0, 2.0, 5.0, 3.5], 1),
        (0, [600, 360], [1.0] * 2, 1),  # one half as long again as its share
        (2, [600, 360], [1.0] * 2, 2),
        (0, [600, 360, 360], [1.0] * 3, 2),  # 720 of 660
        (0, [600] * 3, [1.0] * 3, 1),
        (0, [600] * 21, [0.1] * 21, 2),
        (0, [90] * 4, [2.0] * 4, 1),  # soon over
        (2, [90] * 4, [2.0] * 4, 2),
    ],
)
def test_as_many_as_pay_and_fit(asked, steps, needs, count):
    assert how_many(asked, steps, needs, room=8.0, limit=2) == count
