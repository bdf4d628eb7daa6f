"""Attribution by unlearning: forget the clean reference, and see which training segments the network forgets with it.

    objective   -L(R, θ) + (N/2) (θ-θ0)ᵀ F (θ-θ0)
    one step    θ⁻ = θ0 + (α/N) (F + λ·mean_layer(F))⁻¹ ∇L(R, θ0)
    score       τ_i = L(z_i, θ⁻) - L(z_i, θ0)         **higher τ = cleaner**; the smallest contribute least

Elastic weight consolidation (Kirkpatrick et al. 2017) in the form of Wang et al. (arXiv 2406.09408): the penalty is the
division by N·F. Damping by 0.1 of the layer's mean as in Wang et al. (arXiv 2511.10721). The step size is chosen by
three readings, of which self-influence is that of Choi et al. (arXiv 2506.18312).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from raysep.errors import RaysepError
from raysep.probes.influence import direction, norm
from raysep.probes.losses import losses_of
from raysep.probes.probe import Probe
from raysep.probes.readings import Readings
from raysep.probes.ways import Way

if TYPE_CHECKING:
    from torch import Tensor

    from raysep.probes.gradients import Weights
    from raysep.separators.base import Separator

DAMPING = 0.1
DEAD = 1e-4  # of the mean over all layers: a layer whose F is smaller has no say, and its gradient is rounding
RELATIVE_STEPS = tuple(float(s) for s in np.geomspace(1e-4, 1e-1, 7))  # ‖θ⁻ - θ0‖ / ‖θ0‖ that are tried


# The step ---------------------------------------------------------------------------------------------------------


def damped(fisher_mean: Mapping[str, Tensor], damping: float = DAMPING) -> Weights:
    """F + λ · mean of the layer's F, in float64 and never near zero.

    A layer that the loss does not depend on (a bias before a normalisation) has rounding errors for a gradient, and
    divided by their own squares they would be most of the direction: the layer's mean counts as at least ``DEAD`` of the
    mean over all. A layer without any gradient takes the mean over all layers. Raises ``RaysepError`` when all of F is zero
    or some of it is not finite, ``ValueError`` for damping that is not positive.
    """
    if not damping > 0:
        raise ValueError(f"damping must be above 0, not {damping}")
    fisher = {name: value.double() for name, value in fisher_mean.items()}
    overall = sum(float(value.sum()) for value in fisher.values()) / sum(value.numel() for value in fisher.values())
    if not 0.0 < overall < np.inf:
        raise RaysepError(f"the Fisher information has mean {overall}: the separator did not train; look at its losses")
    means = {name: float(value.mean()) for name, value in fisher.items()}
    least = DEAD * overall
    return {
        name: value + damping * (max(means[name], least) if means[name] else overall) for name, value in fisher.items()
    }


def unlearn(
    weights: Mapping[str, Tensor],
    gradient: Mapping[str, Tensor],
    fisher_mean: Mapping[str, Tensor],
    n: int,
    alpha: float,
    steps: int = 1,
    gradient_at: Callable[[Weights], Mapping[str, Tensor]] | None = None,
    damping: float = DAMPING,
) -> Weights:
    """θ⁻ after ``steps`` of gradient *ascent* on the reference, preconditioned by the damped Fisher.

    ``gradient`` is ∇L(R, θ0), ``n`` the number of training segments. Further steps take the gradient anew from
    ``gradient_at(weights)`` and add the pull back, N·F (θ-θ0). Returns the weights in their own types.
    """
    if steps > 1 and gradient_at is None:
        raise ValueError("more than one step needs gradient_at, to take the gradient again at the moved weights")
    curvature = damped(fisher_mean, damping)
    # All in float64 on the gradient's device, whatever the network's type and device are.
    start = {name: weights[name].to(value.device).double() for name, value in gradient.items()}
    moved, ascent = dict(start), gradient
    for step in range(steps):
        if step:
            assert gradient_at is not None, "looked at above"
            ascent = gradient_at(_typed(weights, moved))
        for name, value in moved.items():
            pull = n * fisher_mean[name].to(value) * (value - start[name])
            moved[name] = value + alpha / n * (ascent[name].to(value) - pull) / curvature[name].to(value)
    return _typed(weights, moved)


def plain(weights: Mapping[str, Tensor], gradient: Mapping[str, Tensor], alpha: float) -> Weights:
    """Ascent without the Fisher, θ0 + α ∇L(R, θ0): the ablation."""
    return _typed(
        weights,
        {name: weights[name].double() + alpha * g.to(weights[name].device).double() for name, g in gradient.items()},
    )


def follow(
    way: Way,
    weights: Mapping[str, Tensor],
    gradient: Mapping[str, Tensor],
    metric: Mapping[str, Tensor],
    n: int,
    alpha: float,
    steps: int,
    gradient_at: Callable[[Weights], Mapping[str, Tensor]],
    damping: float = DAMPING,
) -> Weights:
    """θ⁻ after ``steps`` in a way's own manner; ``metric`` is its D. Arguments are those of ``unlearn``."""
    if way.pulled:
        return unlearn(weights, gradient, metric, n, alpha, steps, gradient_at, damping)
    moved: Weights = dict(weights)
    for number in range(steps):  # the same step as with a D of ones, without the pull back
        moved = plain(moved, gradient_at(moved) if number else gradient, alpha / n / (1.0 + damping))
    return moved


def alpha_for(weights: Mapping[str, Tensor], step: Mapping[str, Tensor], n: int, relative: float) -> float:
    """The α at which one step of ``direction(gradient, damped(F))`` moves the weights by ``relative`` of their norm.

    Raises ``RaysepError`` for a step of length zero or one that is not finite.
    """
    length = norm(step)
    if not 0.0 < length < np.inf:
        raise RaysepError(
            f"the unlearning step has length {length}: the gradient of what is to be unlearned is zero or not finite; "
            f"check that the separator trained (its loss is finite and fell) and that those tracks are audible"
        )
    return relative * n * norm({name: weights[name] for name in step}) / length


def _typed(weights: Mapping[str, Tensor], moved: Mapping[str, Tensor]) -> Weights:
    return {name: moved[name].to(value) if name in moved else value for name, value in weights.items()}


# The score --------------------------------------------------------------------------------------------------------


def tau(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """τ = L(z, θ⁻) - L(z, θ0) of losses in float64; higher = cleaner."""
    return after - before


def relative_tau(before: np.ndarray, after: np.ndarray, least: float = 1e-12) -> np.ndarray:
    """τ / L(z, θ0): τ itself grows with the loss, so loud or hard segments have a large one however clean they are."""
    return (after - before) / np.maximum(before, least)


# The step's size --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """What one step size does."""

    alpha: float
    relative_step: float  # ‖θ⁻ - θ0‖ / ‖θ0‖
    reference_rise: float  # relative rise of the reference loss
    linearity: float  # rank correlation of τ at α and at α/3
    self_influence: float  # how near the top a segment ranks when it is itself unlearned: 1 = first, 0 = last
    holds: tuple[bool, bool, bool]  # rise, linearity, self-influence


@dataclass(frozen=True)
class StepSize:
    alpha: float
    satisfied: bool  # all three readings hold
    readings: tuple[Reading, ...]  # of every α tried, largest first; the search ends at the first that holds

    def to_dict(self) -> dict:
        return asdict(self)


def choose_step_size(
    network: Separator,
    gradient: Mapping[str, Tensor],
    fisher_mean: Mapping[str, Tensor],
    n: int,
    reference: tuple[Tensor, Tensor],
    training: tuple[Tensor, Tensor],
    *,
    relative_steps: Sequence[float] = RELATIVE_STEPS,
    held: int = 4,
    rise: float = 0.01,
    linear: float = 0.95,
    near_top: float = 0.9,
    damping: float = DAMPING,
) -> StepSize:
    """The largest α at which (i) the reference loss rises by ``rise`` of itself, (ii) τ at α and α/3 rank-correlate by
    ``linear`` and (iii) each of ``held`` training segments, itself unlearned, ranks on average in the top
    1 - ``near_top`` of its own τ.

    In (iii) every segment is unlearned by a step as *long* as that of α along its own direction, not by α: single
    segments' gradients differ widely in length, and a loud one's would leave the linear regime. One without a gradient
    (it is silent) is passed over.

    ``reference`` (what ``gradient`` unlearns) and ``training`` are (mixtures, targets), a few dozen audible segments
    each. When no α satisfies all, the largest that satisfies linearity and most of the others is returned with
    ``satisfied=False``: the caller says so. Raises ``RaysepError`` when τ is linear at none, and when no held segment
    has a gradient.
    """
    from raysep.probes.gradients import weights_of, with_weights

    weights, curvature = weights_of(network), damped(fisher_mean, damping)
    step = direction(gradient, curvature)
    own_steps = {i: _own_step(network, training, i, curvature) for i in _spread(len(training[0]), held)}
    own_steps = {i: own for i, own in own_steps.items() if norm(own)}
    if not own_steps:
        raise RaysepError("no training segment that the unlearning step is tried on has a gradient: are they silent?")
    at_start = _sample_losses(network, training)
    reference_start = _sample_losses(network, reference).mean()

    def losses(direction: Mapping[str, Tensor], alpha: float, segments: tuple[Tensor, Tensor]) -> np.ndarray:
        return _sample_losses(with_weights(network, plain(weights, direction, alpha / n)), segments)

    def read(relative: float) -> Reading:
        alpha = alpha_for(weights, step, n, relative)
        rises = float(losses(step, alpha, reference).mean() / reference_start - 1.0)
        linearity = _rank_correlation(*(losses(step, a, training) - at_start for a in (alpha, alpha / 3)))
        own = [
            _standing(losses(s, alpha_for(weights, s, n, relative), training) - at_start, i)
            for i, s in own_steps.items()
        ]
        standing = float(np.mean(own))
        holds = (rises >= rise, linearity >= linear, standing >= near_top)
        return Reading(alpha, relative, rises, linearity, standing, holds)

    readings: list[Reading] = []
    for relative in sorted(relative_steps, reverse=True):
        readings.append(read(relative))
        if all(readings[-1].holds):
            break
    usable = [reading for reading in readings if reading.holds[1]]
    if not usable:
        best = max(readings, key=lambda reading: reading.linearity)
        raise RaysepError(
            f"no unlearning step is in the linear regime: τ at α and α/3 agree at most {best.linearity:.3f} (α = "
            f"{best.alpha:.3g}), below {linear}; give scoring.alpha yourself, or leave the unlearning probe out"
        )
    chosen = max(usable, key=lambda reading: sum(reading.holds))  # the first of equals: readings fall in α
    return StepSize(chosen.alpha, all(chosen.holds), tuple(readings))


def _own_step(network: Separator, training: tuple[Tensor, Tensor], index: int, curvature: Weights) -> Weights:
    """The direction that unlearns one training segment, as long as its gradient makes it; zero for a silent one."""
    from raysep.probes.gradients import reference_gradient

    mixtures, targets = training
    only = (mixtures[index : index + 1], targets[index : index + 1])
    return direction(reference_gradient(network, [only]).mean(), curvature)


def _sample_losses(network: Separator, segments: tuple[Tensor, Tensor]) -> np.ndarray:
    """``(n,)`` mean over the stems of the losses: what the gradient is of."""
    return losses_of(network, *segments).mean(dim=1).cpu().numpy()


def _standing(tau: np.ndarray, index: int) -> float:
    """Share of the other segments whose τ is below the indexed one's."""
    return float((tau < tau[index]).sum() / max(len(tau) - 1, 1))


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import spearmanr

    if len(first) < 3 or not (np.ptp(first) and np.ptp(second)):
        return float("nan")
    return float(spearmanr(first, second).statistic)


def _spread(count: int, wanted: int) -> list[int]:
    """Up to ``wanted`` indices spread evenly over ``count``."""
    return sorted({int((k + 0.5) * count / wanted) for k in range(wanted)}) if count > wanted else list(range(count))


# As probes --------------------------------------------------------------------------------------------------------


def _entries(name: str, context: str, unlearned: str) -> tuple[Probe, ...]:
    """τ in one context, and τ over the loss; with the sign turned where what was unlearned is known to be wrong."""

    def absolute(read: Readings) -> np.ndarray:
        return read.unlearning_sign * tau(read.of("final"), read.of(unlearned))

    def relative(read: Readings) -> np.ndarray:
        return read.unlearning_sign * relative_tau(read.of("final"), read.of(unlearned))

    networks = ("final", unlearned)
    return (
        Probe(name, context, networks, True, BLIND, absolute),
        Probe(f"{name}-relative", context, networks, True, BLIND, relative),
    )


BLIND = "Gui et al. 2025 (arXiv 2510.15409), after Wang et al. 2024 (arXiv 2406.09408)"
PROBES = (
    *_entries("unlearning", "own", "unlearned"),
    *_entries("unlearning-clean", "clean", "unlearned-clean"),
)
