"""What is shown of a training while it runs."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from raysep.corpus import storage
from raysep.training.events import Events
from raysep.training.plan import Plan

LOG_STEPS = 10  # between two points of a curve


class Curves:
    """What rank 0 shows of a training while it runs: the bar in the driver, and figures for TensorBoard."""

    def __init__(self, plan: Plan, folder: str, step: int, training: Any, progress: Any, workers: int = 1) -> None:
        self.plan, self.training, self.board, self.workers = plan, training, progress, workers
        self.events = Events(storage.join(folder, plan.name), step) if folder else None
        self._losses: list[float] = []
        self._begin = time.perf_counter()

    def on_step(self, step: int, loss: float) -> None:
        self._losses.append(loss)
        recipe = self.plan.recipe
        if step % LOG_STEPS and step != recipe.steps:
            return
        seconds = time.perf_counter() - self._begin
        self.board.post.remote(self.plan.name, step, recipe.steps, self.workers)
        if self.events:
            figures = {
                "training/loss": float(np.mean(self._losses)),
                "training/learning_rate": self.training.optimiser.param_groups[0]["lr"],
                "training/segments_per_second": len(self._losses) * recipe.batch / seconds,
            }
            self.events.add(step, figures)
        self._losses, self._begin = [], time.perf_counter()

    def on_validate(self, step: int, figures: dict[str, float], seconds: float) -> None:
        self._begin += seconds  # the rate is that of training
        if self.events:
            self.events.add(step, figures)

    def save(self) -> None:
        if self.events:
            self.events.save()

    def close(self) -> None:
        if self.events:
            self.events.close()
