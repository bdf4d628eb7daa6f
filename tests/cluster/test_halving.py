from __future__ import annotations

from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler

from raysep.cluster.halving import HISTORY, Halving, falls_behind, number_of


@pytest.mark.parametrize(
    ("history", "others", "behind"),
    [
        ([1.0], [], False),
        ([1.0], [[2.0], [0.0], [0.5]], False),  # the better half begins at 0.5
        ([0.4], [[2.0], [0.0], [0.5]], True),
        ([9.0, 1.0], [[0.0, 3.0], [0.0]], True),  # at its rung, not at an earlier one
        ([9.0, 1.0], [[0.0], []], False),  # nobody else came so far
        ([0.5], [[0.5], [0.5]], False),
    ],
)
def test_who_is_in_the_worse_half_at_its_rung_falls_behind(history, others, behind):
    assert falls_behind(history, others) is behind


def trial(number: int, *history: float) -> SimpleNamespace:
    tag = f"{number}_probe=fad,ratio=0.3"
    return SimpleNamespace(experiment_tag=tag, last_result={HISTORY: list(history)} if history else None)


def test_only_batches_before_ones_own_decide():
    trials = [trial(1, 5.0), trial(2, 7.0), trial(3, 9.0), trial(4)]
    controller = SimpleNamespace(get_trials=lambda: trials[::-1])  # a restored search has another order
    halving = Halving(batch=2)

    def decide(number: int, value: float) -> str:
        return halving.on_trial_result(controller, trial(number), {HISTORY: [value]})

    assert decide(2, 0.0) == TrialScheduler.CONTINUE  # the first batch has nobody before it
    assert decide(4, 6.5) == TrialScheduler.CONTINUE  # above the middle of 5 and 7; 9 is of its own batch
    assert decide(4, 5.5) == TrialScheduler.STOP
    assert number_of(trial(12)) == 12
