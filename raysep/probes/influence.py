"""Influence of each segment on the reference loss, read out by a central difference along one direction.

    δ = ρ ‖θ‖ d/‖d‖,   I_i = [L(z_i, θ+δ) - L(z_i, θ-δ)] / 2ρ,   curvature_i = L(z_i, θ+δ) - 2 L(z_i, θ) + L(z_i, θ-δ)

d = D⁻¹ ∇L(R, θ) is the direction that unlearns the reference, D the (damped) diagonal Fisher or Adam's second moment.
A segment whose loss rises with the reference's is of its kind: **higher influence = cleaner**. Two forward passes per
segment; the bias of a one-sided difference cancels. Weights are float32 at ρ = 1e-3; losses are reduced in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from raysep.audio.levels import is_audible
from raysep.errors import RaysepError
from raysep.probes.losses import losses_of
from raysep.probes.probe import Probe
from raysep.probes.readings import Readings

if TYPE_CHECKING:
    from torch import Tensor

    from raysep.probes.gradients import Weights
    from raysep.separators.base import Separator

    Losses = TypeVar("Losses", np.ndarray, Tensor)

RHO = 1e-3
LEAST_AGREEMENT = 0.99


def direction(gradient: Mapping[str, Tensor], curvature: Mapping[str, Tensor]) -> Weights:
    """d = gradient / curvature, name by name, in float64; ``curvature`` is positive (see ``unlearning.damped``)."""
    if missing := gradient.keys() - curvature.keys():
        raise ValueError(f"no curvature for {', '.join(sorted(missing))}")
    return {name: value.double() / curvature[name].to(value.device).double() for name, value in gradient.items()}


def norm(weights: Mapping[str, Tensor]) -> float:
    """Euclidean norm over all tensors, in float64."""
    return float(np.sqrt(sum(float(value.double().square().sum()) for value in weights.values())))


def perturb(
    weights: Mapping[str, Tensor], direction: Mapping[str, Tensor], rho: float = RHO
) -> tuple[Weights, Weights, float]:
    """θ + δ, θ - δ and ‖δ‖ = ρ ‖θ‖, where ‖θ‖ is over the direction's names; other weights are passed on unchanged.

    Computed in float64 and rounded to the weights' own type. Raises ``RaysepError`` for a direction of length zero or
    one that is not finite.
    """
    length = norm(direction)
    if not 0.0 < length < np.inf:
        raise RaysepError(
            f"the unlearning direction has length {length}: the reference gradient is zero or not finite; "
            f"check that the separator trained (its loss is finite and fell) and that the reference is audible"
        )
    step = rho * norm({name: weights[name] for name in direction})

    def moved(sign: float) -> Weights:
        return {
            name: (value.double() + sign * step / length * direction[name].to(value.device)).to(value.dtype)
            if name in direction
            else value
            for name, value in weights.items()
        }

    return moved(1.0), moved(-1.0), step


def central_difference(plus: Losses, minus: Losses, rho: float = RHO) -> Losses:
    """I = (plus - minus) / 2ρ of float64 losses, arrays or tensors; higher = cleaner. Per unit of relative step."""
    return (plus - minus) / (2.0 * rho)


def curvature(plus: Losses, middle: Losses, minus: Losses) -> Losses:
    """plus - 2 middle + minus of losses in float64: how much the loss bends along the direction; not oriented."""
    return plus - 2.0 * middle + minus


def self_check(at_rho: np.ndarray, at_third: np.ndarray, least: float = LEAST_AGREEMENT) -> float:
    """Rank correlation of the same segments' influence ``(n,)`` at ρ and at ρ/3; ``RaysepError`` below ``least``.

    Disagreement means that ρ is beyond the linear regime, or so small that rounding decides.
    """
    from scipy.stats import spearmanr

    moving = np.ptp(at_rho) > 0 and np.ptp(at_third) > 0
    agreement = float(spearmanr(at_rho, at_third).statistic) if moving else float("nan")
    if not agreement >= least:
        raise RaysepError(
            f"influence at ρ and at ρ/3 agree with rank correlation {agreement:.4f}, below {least}: the step does not "
            f"measure a derivative; set scoring.rho smaller (or larger, if it is below 3e-4)"
        )
    return agreement


def audible_stems(targets: Tensor) -> np.ndarray:
    """``(n, stem)`` which of ``(n, stem, channel, time)`` targets can be heard; the others carry no evidence."""
    heard = [[is_audible(stem) for stem in segment] for segment in targets.cpu().numpy()]
    return np.array(heard, dtype=bool).reshape(targets.shape[:2])


def influence_at(
    network: Separator, direction: Mapping[str, Tensor], mixtures: Tensor, targets: Tensor, rho: float = RHO
) -> np.ndarray:
    """``(n, stem)`` central differences of ``(n, channel, time)`` mixtures, ``(n, stem, channel, time)`` targets."""
    from raysep.probes.gradients import weights_of, with_weights

    plus, minus, _ = perturb(weights_of(network), direction, rho)
    at_plus, at_minus = (losses_of(with_weights(network, w), mixtures, targets).cpu().numpy() for w in (plus, minus))
    return central_difference(at_plus, at_minus, rho)


def check_step(
    network: Separator,
    direction: Mapping[str, Tensor],
    mixtures: Tensor,
    targets: Tensor,
    rho: float = RHO,
    least: float = LEAST_AGREEMENT,
) -> float:
    """The self-check of a run, over 64 or so segments: see ``self_check``. Losses of all stems count.

    Ranks are within a stem label, as they are used, and the labels' correlations are averaged.
    """
    full, third = (influence_at(network, direction, mixtures, targets, r) for r in (rho, rho / 3))
    audible, correlations = audible_stems(targets), []
    for stem in range(full.shape[1]):
        heard = audible[:, stem]
        if np.count_nonzero(heard) > 2:
            correlations.append(self_check(full[heard, stem], third[heard, stem], least))
    if not correlations:
        raise RaysepError("the self-check of the influence needs three audible segments of a label; give it more")
    return float(np.mean(correlations))


def exact_derivative(
    network: Separator, direction: Mapping[str, Tensor], mixtures: Tensor, targets: Tensor, mode: str = "forward"
) -> Tensor:
    """``(n, stem)`` derivative of the losses along ``direction``: exact, the oracle of the central difference.

    For a network in float64. ``mode`` ``forward`` is forward-mode differentiation, three forward passes; fused LSTM and
    attention kernels have none (on CPU, LSTMs have one under ``torch.backends.mkldnn.flags(enabled=False)``). ``reverse``
    takes the gradient of each loss by itself and its product with the direction: slow, and right for every module.
    """
    import torch

    from raysep.probes.gradients import differentiable, losses_at, trainable, weights_of
    from raysep.training.loss import stem_losses

    weights = weights_of(network)
    tangents = {name: direction[name].to(value) for name, value in weights.items()}
    with differentiable(network):
        if mode == "forward":
            return torch.func.jvp(losses_at(network, mixtures, targets), (weights,), (tangents,))[1]
        names, parameters = zip(*trainable(network).items(), strict=True)
        losses = stem_losses(network, mixtures, targets)
        found = torch.zeros_like(losses)
        for place in np.ndindex(*losses.shape):
            gradients: Sequence[Tensor | None] = torch.autograd.grad(
                losses[place], parameters, retain_graph=True, allow_unused=True
            )
            products = [(g * tangents[n]).sum() for n, g in zip(names, gradients, strict=True) if g is not None]
            found[place] = sum(products)
        return found.detach()


# As probes --------------------------------------------------------------------------------------------------------


def _influence(read: Readings) -> np.ndarray:
    return central_difference(read.of("plus"), read.of("minus"), read.rho)


def _relative(read: Readings) -> np.ndarray:
    return _influence(read) / np.maximum(read.of("final"), 1e-12)


def _bend(read: Readings) -> np.ndarray:
    return curvature(read.of("plus"), read.of("final"), read.of("minus"))


CENTRAL = "central difference along the unlearning direction; docs: how a stem is scored"
PROBES = (
    Probe("influence", "clean", ("plus", "minus"), True, CENTRAL, _influence),
    Probe("influence-relative", "clean", ("plus", "minus", "final"), True, CENTRAL, _relative),
    Probe("curvature", "clean", ("plus", "minus", "final"), False, CENTRAL, _bend),
)
