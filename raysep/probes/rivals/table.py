"""All rivals of one training, by name: what `raysep benchmark attribution` puts beside the metagradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from raysep.errors import BadInput
from raysep.probes.metagradient import Query, query_slopes
from raysep.probes.rivals import norms
from raysep.probes.rivals.conjugate import solve
from raysep.probes.rivals.ekfac import ekfac
from raysep.probes.rivals.names import NAMES
from raysep.probes.rivals.point import Examples, Point, alignment
from raysep.probes.rivals.products import Function, gauss_newton_product, hessian_product
from raysep.probes.rivals.tracin import Checkpoint, adam_scale, spread, tracin
from raysep.separators.recurrence import step_by_step
from raysep.training.schedule import learning_rate
from raysep.training.unrolled import State, Unrolled


@dataclass(frozen=True)
class Effort:
    """How much of a training is looked at."""

    checkpoints: int = 5
    examples: int = 60  # batches of the training that gradients of stems are means over
    curvature: int = 16  # batches that a curvature is of
    iterations: int = 15  # of conjugate gradients


@dataclass(frozen=True, eq=False)
class Found:
    scores: dict[str, np.ndarray]  # name -> (stem,) higher = better to train on; NaN for a stem that was not drawn
    notes: tuple[str, ...]  # a line for what was left out or ended early


def rivals(
    training: Unrolled, trusted: Point, query: Query, reference: Sequence[Tensor], stems: int, effort: Effort
) -> Found:
    """Of a training with all weights at 1; ``trusted`` is the network trained on the reference alone.

    ``reference`` is what ``query`` asks: targets ``(batch, stem, channel, time)``. Curvatures are damped as the training itself
    is by its end, by one over the sum of Adam's scaled steps: what is flatter than that it has not walked down yet (the
    approximation of Bae et al. 2024, arXiv 2405.12186, to first order).
    """
    recipe, ones = training.recipe, torch.ones(stems)
    wanted = set(spread(recipe.steps, effort.checkpoints))
    kept: dict[int, State] = {}
    end = training.start
    for state in training.states(ones.to(end.parameters)):
        end = state
        if state.step in wanted or not state.step:
            kept[state.step] = state
    examples = some(training, effort.examples)
    curved = [targets for targets, _ in some(training, effort.curvature)]
    point, start = Point.end_of(training, end), Point.end_of(training, kept.pop(0))
    slope = query_slopes(training, end, query)[1][0]
    damping = 1.0 / (adam_scale(end, recipe.eps_root) * walked(training))
    found, notes = _directions(point, slope, damping, curved, effort)
    directions = {"gradient-product": slope, **found}
    scores = dict(zip(directions, alignment(point, examples, list(directions.values()), stems), strict=True))
    checkpoints = (Checkpoint.of(training, state, query) for state in kept.values())
    scores["tracin"], scores["tracin-adam"] = tracin(checkpoints, examples, stems)
    untrained = query_slopes(training, training.start, query)[1][0]
    (scores["random-weights"],) = alignment(start, examples, [untrained], stems)
    scores["gradient-norm"] = norms.norm_score(point, examples, stems)
    fisher = norms.fisher_diagonal(trusted, reference)
    scores["self-influence-reference"] = norms.self_influence(trusted, examples, stems, fisher)
    return Found({name: scores[name] for name in NAMES if name in scores}, tuple(notes))


def some(training: Unrolled, count: int) -> Examples:
    """``count`` of the batches that it drew, evenly over it; all where it has no more."""
    steps = training.recipe.steps
    return [training.batch(step) for step in sorted({int((k + 0.5) * steps / count) for k in range(count)})]


def walked(training: Unrolled) -> float:
    """The sum of all steps' rates."""
    recipe = training.recipe
    return sum(
        learning_rate(recipe.schedule, recipe.learning_rate, step, recipe.steps, recipe.warmup)
        for step in range(recipe.steps)
    )


def _directions(
    point: Point, slope: Tensor, damping: Tensor, curved: list[Tensor], effort: Effort
) -> tuple[dict[str, Tensor], list[str]]:
    """((H + D)⁻¹ ∇L(R) for each H, what is to be told of them)."""

    def hessian(vector: Tensor) -> Tensor:
        each = [hessian_product(_mean(point.losses(targets)), point.parameters, vector) for targets in curved]
        return torch.stack(each).mean(dim=0)

    def gauss_newton(vector: Tensor) -> Tensor:
        # The Hessian of a mean squared error by the outputs is the same whatever the targets.
        outputs = [point.outputs(targets) for targets in curved]
        each = [gauss_newton_product(of, lambda out: out.square().mean(), point.parameters, vector) for of in outputs]
        return torch.stack(each).mean(dim=0)

    found, notes = {}, []
    for name, product in (("hessian-cg", hessian), ("gauss-newton-cg", gauss_newton)):
        with step_by_step():
            solved = solve(product, slope, damping, effort.iterations)
        found[name] = solved.x
        ended = "it bends downwards" if solved.bent_down else "it ended"
        notes.append(f"{name}: {ended} after {solved.iterations} products, residual {solved.residual:.2g}")
    try:
        curvature = ekfac(point, curved)
    except BadInput as error:
        return found, [*notes, str(error)]
    return found | {"ekfac": curvature.solve(point, slope, damping)}, [*notes, curvature.words]


def _mean(losses: Function) -> Function:
    return lambda parameters: losses(parameters).mean()
