"""Trainings of a run in this process, one after another, in the place of Ray Train's; their weights are others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from raysep.corpus.reading import read_stem
from raysep.separators import checkpoint, registry
from raysep.training import loop
from raysep.training.best import write
from raysep.training.plan import Plan
from raysep.training.pool import SegmentPool


def train(plans: Sequence[Plan], *group: Any) -> None:
    """What ``cluster.side_by_side.train`` is asked for: every plan that is not trained, to its checkpoints."""
    for plan in plans:
        if not plan.is_trained():
            _train(plan)


def _train(plan: Plan) -> None:
    recipe, rate = plan.recipe, plan.arguments["sample_rate"]
    draw = _drawing_from(_pool(plan), plan, round(recipe.segment_seconds * rate))
    torch.manual_seed(recipe.seed)
    network = registry.build(plan.model, **plan.arguments)
    first = np.concatenate([draw(recipe.steps + k) for k in range(4)])  # after the last: training does not see these
    network.set_input_statistics(torch.from_numpy(first.sum(axis=1)))

    def leave(uri: str, state: loop.TrainingState) -> None:
        write(uri, checkpoint.to_bytes(loop.to_checkpoint(state, network)), fingerprint=plan.fingerprint)

    def on_save(step: int, state: loop.TrainingState) -> None:
        if plan.early_out and step == plan.early_step:
            leave(plan.early_out, state)

    leave(plan.out, loop.train(network, draw, recipe, on_save=on_save))


def _pool(plan: Plan) -> SegmentPool:
    """All that the plan trains on, under the labels that it is used as."""
    pool = SegmentPool(plan.labels, 2**40)
    for entry in plan.stems:
        audio = read_stem(entry.stem, plan.arguments["sample_rate"], plan.arguments["channels"])
        pool.add(entry.stem.stem_id, 0, entry.label, audio, entry.weight, track=entry.stem.track)
    return pool


def _drawing_from(pool: SegmentPool, plan: Plan, frames: int) -> Callable[[int], np.ndarray]:
    return lambda step: pool.draw(plan.recipe.batch, frames, step, plan.recipe.seed)
