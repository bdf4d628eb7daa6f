"""How much of a corpus a training hears: its steps draw so many hours, whatever size the corpus is of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raysep.corpus.manifest import Stem
from raysep.training.plan import Plan
from raysep.training.samples import dtype_of
from raysep.training.source import REFRESH_STEPS, ROWS_PER_READ


@dataclass(frozen=True)
class Budget:
    """Hours of stems."""

    given: float  # that there are
    drawn: float  # of all examples together, what is drawn again counted again
    read: float  # into the pools, at most

    @classmethod
    def of(cls, plan: Plan, parts: int, memory_gib: float) -> Budget:
        """Of a plan whose batch has so many parts, each with a pool of so much memory."""
        recipe, labels = plan.recipe, len(plan.labels)
        seconds = sum(_seconds(entry.stem) for entry in plan.stems)
        held = memory_gib * 2**30 / _bytes_of_a_second(plan)
        refreshed = recipe.steps // REFRESH_STEPS * ROWS_PER_READ * 2 * recipe.segment_seconds
        drawn = recipe.steps * recipe.batch * labels * recipe.segment_seconds
        return cls(*(each / 3600 for each in (seconds, drawn, parts * (held + refreshed))))

    @property
    def heard(self) -> float:
        """The most that can be heard at all."""
        return min(self.given, self.drawn, self.read)

    @property
    def warning(self) -> str:
        """What to say where most is never heard; else ""."""
        if self.heard >= self.given / 2:
            return ""
        drawn = "" if self.drawn <= self.read else f", of {hours(self.read)} that fit and are read meanwhile"
        return (
            f"training draws {hours(self.drawn)} of {hours(self.given)} of stems{drawn}: at least "
            f"{math.floor(1000 * (1 - self.heard / self.given)) / 10:g} % is never heard; more training.steps hear more"
        )


def largest(plans: Sequence[Plan], parts: int, memory_gib: float) -> Budget:
    """Of the plan that is given most."""
    return max((Budget.of(plan, parts, memory_gib) for plan in plans), key=lambda each: each.given)


def pooled_gib(plan: Plan, parts: int, memory_gib: float) -> float:
    """Decoded audio in all pools of a plan together, at most, GiB. A label of fewer stems than parts is in each of them whole."""
    seconds: dict[str, list[float]] = {}
    for entry in plan.stems:
        seconds.setdefault(entry.label, []).append(_seconds(entry.stem))
    held = sum(sum(each) * (1 if len(each) >= parts else parts) for each in seconds.values())
    return min(parts * memory_gib, held * _bytes_of_a_second(plan) / 2**30)


def _seconds(stem: Stem) -> float:
    return stem.frames / stem.sample_rate


def _bytes_of_a_second(plan: Plan) -> int:
    """Of a stem in a pool: all of them as the finest needs it."""
    rate, channels = plan.arguments["sample_rate"], plan.arguments.get("channels", 2)
    sizes = (np.dtype(dtype_of(entry.stem, rate, channels)).itemsize for entry in plan.stems)
    return int(rate * channels * max(sizes, default=2))


def hours(count: float) -> str:
    if count < 1:
        return f"{60 * count:.1f} min"
    return f"{count:,.0f} h" if count >= 10 else f"{count:.1f} h"
