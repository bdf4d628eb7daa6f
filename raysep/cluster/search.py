"""Ray Tune searches what of a corpus to use: short trainings from a warm start, judged on held-out reference tracks.

Optuna draws the trials, a batch after the other; what falls behind is stopped (``halving``). The same seed gives the same
trials and the same results on any number of workers, and a search that was killed goes on inside the trials that ran.
"""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import ray
from ray import tune
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch

from raysep.cluster import capacity
from raysep.cluster.board import board
from raysep.cluster.causes import storage_error
from raysep.cluster.halving import HISTORY, Halving
from raysep.corpus import storage
from raysep.resources import Resources, Shape, Share, overlaid

Point = dict[str, Any]
State = dict[str, Any]  # of a trial that is under way: tensors, numbers and strings
Report = Callable[[dict[str, Any], State], None]
Trial = Callable[[Point, State | None, Report], None]
Space = Callable[[Any], Point | None]  # of an Optuna trial: draws the point, or what of it Optuna did not draw

BATCH = 4  # trials drawn together: the next ones are drawn when all of them are judged, and may be stopped by them
RANDOM_SHARE = 3  # one in so many trials is drawn at random, before the sampler goes by what they gave
MOST_FAILURES = 1  # of a trial, which goes on from its last rung


def search(
    trial: Trial,
    space: Space,
    *,
    samples: int,
    first: Sequence[Point] = (),
    seed: int = 0,
    metric: str,
    also: Sequence[str] = (),
    name: str,
    storage_path: str,
    available: Resources,
    most: int | None = None,
    share: Share | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """``samples`` points, ``first`` those given in Optuna's own values; higher ``metric`` is better.

    ``trial(point, state, report)`` and ``space`` must be picklable. A trial calls ``report(metrics, state)`` once a rung, and is
    given the last ``state`` when it was interrupted, else None. At most ``most`` run at once. Returns a row per trial: its
    point, of the last metrics ``metric`` and ``also``, the ``rung`` reached, and ``error`` (empty unless the trial failed). A
    search of the same name goes on where it was killed, or begins again and says so where that cannot be. Raises the ``StorageError``
    that ended a trial: the next call tries that one again.
    """
    # A trial's traceback is in its row, which the caller tells of.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    filesystem, path = storage.filesystem(storage_path)
    # A batch is there as a whole before the first of it ends: else how quick it is would decide what is in a batch.
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", str(BATCH))
    # An interrupted search is no finished one: Tune would return the trials that it has.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    each, name_of_board = _each(available, most, share or {}), f"search-{uuid.uuid4().hex}"
    trainable = tune.with_resources(_trainable(trial, metric, name_of_board), _of_tune(each))
    uri = storage.join(storage_path, name)

    def begun() -> tune.Tuner:
        return tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                num_samples=samples,
                search_alg=ConcurrencyLimiter(_drawn(space, metric, samples, first, seed), BATCH, batch=True),
                scheduler=Halving(BATCH),
            ),
            run_config=tune.RunConfig(
                name=name,
                storage_path=path,
                storage_filesystem=filesystem,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=MOST_FAILURES),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
                callbacks=[_Progress(samples, on_progress)],
            ),
        )

    results = None
    words = partial(capacity.words_for, each, 1)
    with board(_nothing, words, lambda text: say(f"search: {text}"), name=name_of_board):
        if storage.exists(storage.join(uri, "tuner.pkl")):
            results = _gone_on(storage.join(path, name), trainable, filesystem)
            if results is None:
                say("note: the search's earlier trials could not be gone on with: it begins again")
                storage.delete_folder(uri)
        if results is None:
            results = begun().fit()
    found = sorted((results[number] for number in range(len(results))), key=_point_of)
    if ended := next(filter(None, (storage_error(result.error) for result in found)), None):
        raise ended
    return [_row(result, (metric, *also, "rung")) for result in found]


def _gone_on(path: str, trainable: Any, filesystem: Any) -> tune.ResultGrid | None:
    """A search from where it was killed. None where it must begin anew: Optuna does not know a trial again that had failed."""
    try:
        return tune.Tuner.restore(path, trainable=trainable, storage_filesystem=filesystem, restart_errored=True).fit()
    except Exception as error:
        if ended := storage_error(error):
            raise ended from error
        return None


def _drawn(space: Space, metric: str, samples: int, first: Sequence[Point], seed: int) -> OptunaSearch:
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(BATCH, samples // RANDOM_SHARE))
    return OptunaSearch(space, metric=metric, mode="max", points_to_evaluate=[dict(p) for p in first], sampler=sampler)


def _each(available: Resources, most: int | None, share: Share) -> Shape:
    """What a trial reserves, so that as many run at once as there is room for, and no more than ``most``."""
    least = available.cpus / most if most else 0.0
    shape: Shape = {"CPU": max(min(1.0, available.cpus / 2) if available.cpus else 1.0, least)}
    if available.reach.gpus >= 1:
        shape["GPU"] = 1
    return overlaid(shape, share)


def _of_tune(shape: Shape) -> dict[str, float]:
    return {{"CPU": "cpu", "GPU": "gpu"}.get(name, name): amount for name, amount in shape.items()}


def _trainable(trial: Trial, metric: str, name_of_board: str) -> Callable[[Point], None]:
    def run(point: Point) -> None:
        ray.get_actor(name_of_board).run.remote(True)
        saved = _resume()
        history: list[float] = saved.get(HISTORY, [])

        def report(metrics: dict[str, Any], state: State) -> None:
            history.append(float(metrics[metric]))
            _report(metrics | {"rung": len(history), HISTORY: list(history)}, {"trial": state, HISTORY: history})

        trial(point, saved.get("trial"), report)

    return run


def _report(metrics: dict[str, Any], content: dict[str, Any]) -> None:
    import torch

    with tempfile.TemporaryDirectory() as folder:
        torch.save(content, Path(folder) / "state.pt")
        tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


def _resume() -> dict[str, Any]:
    """What the trial reported last, if it has run before."""
    import torch

    last = tune.get_checkpoint()
    if last is None:
        return {}
    with last.as_directory() as folder:
        content: dict[str, Any] = torch.load(Path(folder) / "state.pt", weights_only=True, map_location="cpu")
    return content


def _point_of(result: tune.Result) -> list[str]:
    return [str(value) for _, value in sorted((result.config or {}).items())]


def _row(result: tune.Result, names: Sequence[str]) -> dict[str, Any]:
    metrics = {key: value for key, value in (result.metrics or {}).items() if key in names}
    return {**(result.config or {}), **metrics, "error": str(result.error or "")}


class _Progress(tune.Callback):
    def __init__(self, total: int, on_progress: Callable[[int, int], None]) -> None:
        self.done, self.total, self.on_progress = 0, total, on_progress

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self.done += 1
        self.on_progress(self.done, self.total)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "on_progress": _nothing}  # a progress bar holds locks that cannot be saved


def _nothing(*progress: Any) -> None:
    """What a restored search reports its progress to."""
