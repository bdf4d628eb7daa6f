from __future__ import annotations

from dataclasses import dataclass

import pytest

from raysep.training.recipe import Recipe
from raysep.training.together import Together


@dataclass(frozen=True)
class Named:
    """As much of a plan as is told of it."""

    name: str
    recipe: Recipe
    trained: bool = False

    def is_trained(self) -> bool:
        return self.trained


@pytest.fixture
def told():
    return []


@pytest.fixture
def workers():
    return []


@pytest.fixture
def together(told, workers):
    """Two groups of two trainings; the first one is trained already."""
    plans = [Named(name, Recipe(steps), name == "a") for name, steps in (("a", 10), ("b", 20), ("c", 10), ("d", 40))]
    return Together([plans[:2], plans[2:]], lambda *far, **more: told.append((*far, more)), workers.append)


def test_the_steps_of_all_groups_add_up(together, told):
    together.post(0, "b", 5)
    together.post(1, "c", 2)
    together.post(0, "b", 10)
    assert [tuple(each[:3]) for each in told] == [(5, 20, "b"), (7, 30, "b and c"), (12, 30, "b and c")]
    assert [each[3]["whole"] for each in told] == [(15, 80), (17, 80), (22, 80)]
    assert [(each[3]["part"], each[3]["parts"]) for each in told] == [(2, 4), (3, 4), (3, 4)]
    assert told[0][3]["unit"] == "steps"


def test_what_comes_before_a_training_in_its_group_is_done(together, told):
    together.post(1, "d", 1)
    assert told[-1][3]["whole"] == (10 + 10 + 1, 80)
    assert told[-1][3]["part"] == 3


def test_a_group_that_goes_on_from_a_state_is_where_that_is(together, told):
    together.post(1, "c", 8)
    together.post(1, "c", 4)
    assert [each[3]["whole"][0] for each in told] == [18, 14]


def test_a_group_that_has_ended_is_not_under_way_and_all_of_it_is_done(together, told, workers):
    for group in (0, 1):
        together.resize(group, 1)
    together.post(0, "b", 5)
    together.post(1, "c", 5)
    together.end(0)
    together.post(1, "d", 30)
    assert told[-1][:3] == (30, 40, "d")
    assert told[-1][3] == {"unit": "steps", "part": 4, "parts": 4, "whole": (70, 80)}
    assert workers == [1, 2, 1]
    together.end(1)
    assert workers == [1, 2, 1]  # when nothing is under way any more, nobody asks
