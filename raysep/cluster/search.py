"""Ray Tune searches the filter ratio: short trainings from a warm start, judged on held-out reference tracks.

This is the paper's way of finding the ratio, kept as the check on the estimate that needs no training.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler

from raysep.cluster.causes import storage_error
from raysep.corpus import storage
from raysep.resources import Resources

Trial = Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], None]


def search(
    trial: Trial,
    space: dict[str, list[Any]],
    *,
    metric: str,
    also: Sequence[str] = (),
    rungs: int,
    name: str,
    storage_path: str,
    available: Resources,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[dict[str, Any]]:
    """Every point of the grid as one trial, stopped early by ASHA when it falls behind; higher ``metric`` is better.

    ``trial(point, report)`` reports its metrics once a rung and must be picklable. Returns a row per trial: the point, of the last
    metrics ``metric`` and ``also``, ``rung`` reached, and ``error`` (empty unless the trial failed). A search of the same name goes on
    where it was killed. Raises the ``StorageError`` that ended a trial: the next call tries that one again.
    """
    logging.getLogger("ray.tune").setLevel(
        logging.CRITICAL
    )  # a trial's traceback is in its row, which the caller tells of
    filesystem, path = storage.filesystem(storage_path)
    points = 1
    for values in space.values():
        points *= len(values)

    def run(point: dict[str, Any]) -> None:
        rung = itertools.count(1)
        trial(point, lambda metrics: tune.report({**metrics, "rung": next(rung)}))

    each = {"cpu": min(1.0, available.cpus / 2)} | ({"gpu": 1} if available.gpus else {})
    trainable = tune.with_resources(run, each)
    uri = storage.join(storage_path, name)
    if storage.exists(storage.join(uri, "tuner.pkl")):
        tuner = tune.Tuner.restore(
            storage.join(path, name), trainable=trainable, storage_filesystem=filesystem, restart_errored=True
        )
    else:
        tuner = tune.Tuner(
            trainable,
            param_space={key: tune.grid_search(values) for key, values in space.items()},
            tune_config=tune.TuneConfig(
                metric=metric,
                mode="max",
                scheduler=ASHAScheduler(time_attr="rung", max_t=rungs, grace_period=1, reduction_factor=2),
                max_concurrent_trials=max(1, int(available.gpus or available.cpus)),
            ),
            run_config=tune.RunConfig(
                name=name,
                storage_path=path,
                storage_filesystem=filesystem,
                verbose=0,
                callbacks=[_Progress(points, on_progress)],
            ),
        )
    rows = []
    results = tuner.fit()
    for number in range(len(results)):
        result = results[number]
        if ended := storage_error(result.error):
            raise ended
        metrics = {key: value for key, value in (result.metrics or {}).items() if key in (metric, *also, "rung")}
        rows.append({**(result.config or {}), **metrics, "error": str(result.error or "")})
    return sorted(rows, key=lambda row: str([row.get(key) for key in space]))


class _Progress(tune.Callback):
    def __init__(self, total: int, on_progress: Callable[[int, int], None]) -> None:
        self.done, self.total, self.on_progress = 0, total, on_progress

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self.done += 1
        self.on_progress(self.done, self.total)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "on_progress": _nothing}  # a progress bar holds locks that cannot be saved


def _nothing(done: int, total: int) -> None:
    """What a restored search reports its progress to."""
