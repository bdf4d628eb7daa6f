"""Whether a metagradient can be trusted: three trainings that compare what it foretells with what happens.

A derivative can be exact and yet foretell nothing: where training is chaotic, the loss as a function of the weights is all
cliffs, and what holds at a point ends a hair's breadth from it. Engstrom et al. (arXiv 2503.13751, section 3) call a training
*metasmooth* where it is not so, and choose its settings for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from raysep.errors import RaysepError
from raysep.probes.metagradient import Metagradient, Query, query_losses
from raysep.training import adam
from raysep.training.unrolled import Unrolled

STEP = 0.03  # by which the weights differ between the trainings, root mean square over stems
TOLERANCE = 0.15  # of the foretold difference: what it may be missed by
GROWN = 100.0  # times that an adjoint grows over a training before its rate is to blame


@dataclass(frozen=True)
class Verdict:
    """What the two trainings beside the metagradient's own said, of the first query."""

    foretold: float  # difference of the loss between weights 1 + e d and 1 - e d, by the metagradient
    found: float  # the same by training
    curvature: float  # loss at both less twice that between, over the difference found: 0 = a straight line
    step: float
    trusted: bool
    advice: str  # "" when trusted

    @property
    def ratio(self) -> float:
        return self.found / self.foretold

    @property
    def words(self) -> str:
        """One line."""
        what = (
            f"of the change of the reference loss that the metagradient foretells for a change of the weights by "
            f"{self.step:.0%}, training gives {self.ratio:.0%}"
        )
        return (
            f"metagradient trusted: {what}"
            if self.trusted
            else f"metagradient not to be trusted: {what}; {self.advice}"
        )

    def require(self) -> None:
        """Raise ``RaysepError`` with the line unless the metagradient can be trusted."""
        if not self.trusted:
            raise RaysepError(self.words)


def smoothness(
    training: Unrolled,
    weights: Tensor,
    query: Query,
    found: Metagradient,
    *,
    of_average: bool = True,
    step: float = STEP,
    tolerance: float = TOLERANCE,
) -> Verdict:
    """The verdict on ``found``, which is ``training``'s at ``weights``: the first of the three trainings is its own.

    The two others go ``step`` along the metagradient and against it: the direction in which it claims most, and in which an
    error of any of its parts is a loss of some of what it claims.
    """
    slope = torch.from_numpy(found.gradient[0])
    scale = float(slope.square().mean().sqrt())
    direction = (slope / scale if scale else torch.ones_like(slope)).to(weights)
    up, down = (_loss(training, weights + side * step * direction, query, of_average) for side in (1, -1))
    foretold = 2 * step * float((slope * direction.double().cpu()).sum())
    difference, bend = up - down, up - 2 * float(found.losses[0]) + down
    straight = foretold > 0 and abs(difference - foretold) <= tolerance * foretold
    return Verdict(
        foretold,
        difference,
        bend / difference if difference else float("inf"),
        step,
        straight,
        "" if straight else "; or ".join(_advice(training, found)),
    )


def _loss(training: Unrolled, weights: Tensor, query: Query, of_average: bool) -> float:
    return float(query_losses(training, training.end(weights), query, of_average)[0])


def _advice(training: Unrolled, found: Metagradient) -> Iterator[str]:
    """Which setting to change, the likeliest first."""
    recipe, end = training.recipe, found.end
    enough = adam.root_above(end.second, end.step)
    if recipe.eps_root < enough:
        yield f"raise training.eps_root from {recipe.eps_root:g} to {enough:g}"
    if found.growth > GROWN or recipe.eps_root >= enough:
        yield f"lower training.learning_rate from {recipe.learning_rate:g} to {recipe.learning_rate / 3:.1g}"
    if not recipe.gradient_clip:
        yield "clip the gradient, training.gradient_clip"
    yield f"raise training.batch from {recipe.batch} to {2 * recipe.batch}"
