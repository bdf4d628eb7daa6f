"""TracIn: what every step of a descent would have gained on the reference, added up over checkpoints.

    s_i = Σ_k η_k ⟨P_k ∇L(R, θ_k), ∇l_i(θ_k)⟩          P_k = 1, or 1/√(v_k + eps_root): the step that Adam takes

Pruthi et al. 2020 (arXiv 2002.08484); scaled by Adam's second moment, as in Xia et al. 2024 (LESS, arXiv 2402.04333).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from raysep.probes.metagradient import Query, query_slopes
from raysep.probes.rivals.point import Examples, Point, alignment
from raysep.training import adam
from raysep.training.schedule import learning_rate
from raysep.training.unrolled import State, Unrolled


@dataclass(frozen=True, eq=False)
class Checkpoint:
    point: Point
    slope: Tensor  # (parameter,) of the reference
    rate: float
    scale: Tensor  # (parameter,) by which Adam multiplies a gradient

    @classmethod
    def of(cls, training: Unrolled, state: State, query: Query) -> Checkpoint:
        """Of a state before the last, by its last weights and not their average: there the next step is taken."""
        recipe = training.recipe
        _, slopes, _ = query_slopes(training, state, query, of_average=False)
        rate = learning_rate(recipe.schedule, recipe.learning_rate, state.step, recipe.steps, recipe.warmup)
        point = Point(training, state.parameters, state.statistics)
        return cls(point, slopes[0], rate, adam_scale(state, recipe.eps_root))


def adam_scale(state: State, eps_root: float) -> Tensor:
    """By what Adam multiplies a gradient at a state after the first step, ``(parameter,)``, the rate left out."""
    corrected = state.second / (1.0 - adam.BETAS[1] ** state.step)
    return 1.0 / ((corrected + eps_root).sqrt() + adam.EPS)


def tracin(checkpoints: Iterable[Checkpoint], examples: Examples, stems: int) -> tuple[np.ndarray, np.ndarray]:
    """(plain, scaled by Adam's second moment) ``(stem,)`` each; NaN for a stem that was not drawn."""
    total = np.zeros((2, stems))
    for at in checkpoints:
        total += at.rate * alignment(at.point, examples, [at.slope, at.scale * at.slope], stems)
    return total[0], total[1]


def spread(steps: int, count: int) -> Sequence[int]:
    """Steps, ``count`` at the most, in the middles of as many equal stretches of a training; none before the first."""
    return sorted({max(1, int((k + 0.5) * steps / count)) for k in range(count)})
