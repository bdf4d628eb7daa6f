"""Which trials are stopped early: successive halving by batches, so that nobody's speed decides.

A trial that has come to a rung goes on when it is in the better half of what the batches before its own reached there:
the rule of ASHA (Li et al. 2020, arXiv 1810.05934). ASHA also counts whoever came first of those that still run, and then
another number of workers stops other trials. Here the same seed stops the same ones, on any cluster and after a kill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

HISTORY = "history"  # what a trial reached at every rung so far, in its last report
BETTER_HALF = 50  # percentile


class Halving(FIFOScheduler):
    """Stops what falls behind the trials of earlier batches of ``batch``. It keeps nothing that a restart could lose."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        before = [other for other in tune_controller.get_trials() if self._batch_of(other) < self._batch_of(trial)]
        histories = [(other.last_result or {}).get(HISTORY, []) for other in before]
        return TrialScheduler.STOP if falls_behind(result[HISTORY], histories) else TrialScheduler.CONTINUE

    def _batch_of(self, trial: Trial) -> int:
        return (number_of(trial) - 1) // self.batch


def number_of(trial: Trial) -> int:
    """Which trial of the search it is, from 1: Ray begins its tag with that, and keeps it when a search is restored."""
    return int(str(trial.experiment_tag).partition("_")[0])


def falls_behind(history: Sequence[float], others: Iterable[Sequence[float]]) -> bool:
    """Whether the last of ``history`` is in the worse half of what ``others`` reached at that rung; higher is better."""
    rung = len(history) - 1
    there = [other[rung] for other in others if len(other) > rung]
    return bool(there) and history[rung] < float(np.nanpercentile(there, BETTER_HALF))
