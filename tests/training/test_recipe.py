from __future__ import annotations

import pytest

from raysep.errors import BadInput
from raysep.training import augment, recipe
from raysep.training.recipe import Recipe


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"batch": 0},
        {"learning_rate": -1.0},
        {"ema_decay": 1.0},
        {"warmup": -1},
        {"accumulate": 0},
        {"truncate_share": 1.0},
        {"schedule": "linear"},
        {"loss": "sdr"},
        {"truncate": "song"},
        {"precision": "float16"},
        {"augment": ("gain", "echo")},
        {"plateau_factor": 0.0},
        {"schedule": "plateau", "validate_every": 0},
    ],
    ids=str,
)
def test_a_recipe_that_cannot_be_is_refused(change):
    with pytest.raises(BadInput, match=next(iter(change))):
        Recipe(**{"steps": 10} | change)


def test_the_augmentations_of_a_recipe_are_those_there_are():
    assert set(recipe.AUGMENTATIONS) == set(augment.AUGMENTATIONS)
