"""Ways of unlearning, an entry each: what is unlearned, along which metric, and how its τ is read.

    θ⁻ = θ0 + (α/N) (D + λ·mean_layer(D))⁻¹ ∇L(target, θ0)          further steps are pulled back by N·D (θ - θ0)

Whoever prepares, plants or scores reads the entry: a new way is one entry here and nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # whoever reads which ways there are needs no torch
    from torch import Tensor

    Weights = Mapping[str, Tensor]


class Target(StrEnum):
    """What is unlearned. The text begins the names of the files that its gradients are in."""

    REFERENCE = "gradient"  # the clean reference: what hardly suffers from it contributed little
    PLANTED = "noisy"  # planted faults, known to be wrong: what suffers with them is like them


@dataclass(frozen=True)
class Curvatures:
    """What a metric may be made of; each by the parameter's name."""

    gradient: Weights
    fisher: Weights | None  # mean diagonal over the training's segments; only where a way asks for it
    second_moment: Weights | None  # Adam's, saved with the checkpoint


def fisher(held: Curvatures) -> Weights:
    assert held.fisher is not None, "a way whose metric is the Fisher says so by reads_fisher"
    return held.fisher


def second_moment(held: Curvatures) -> Weights:
    assert held.second_moment is not None, "a network that was trained by Adam has one"
    return held.second_moment


def ones(held: Curvatures) -> Weights:
    import torch

    return {name: torch.ones_like(value) for name, value in held.gradient.items()}


@dataclass(frozen=True)
class Way:
    about: str  # one line for people
    metric: Callable[[Curvatures], Weights] = fisher  # D
    target: Target = Target.REFERENCE
    pulled: bool = True  # further steps are pulled back to θ0: elastic weight consolidation
    each_track: bool = False  # one unlearning for each track of the target, and the mean of the ranks
    contexts: tuple[str, ...] = ("own", "clean", "both")  # mixtures that it can be read in

    @property
    def reads_fisher(self) -> bool:
        return self.metric is fisher

    @property
    def sign(self) -> float:
        """Of τ, so that higher is cleaner: the most affected are suspect where faults were unlearned."""
        return -1.0 if self.target is Target.PLANTED else 1.0


WAYS: dict[str, Way | None] = {
    "joint": Way("the reference at once, by the Fisher information (the paper's)"),
    "adam": Way("the same by Adam's second moment, at no cost of its own", metric=second_moment),
    # Clean would cost a pass for each reference track and stem.
    "per-track": Way("one reference track at a time, and the mean of the ranks", each_track=True, contexts=("own",)),
    "plain": Way("the reference at once, without a metric (the ablation)", metric=ones, pulled=False),
    "noisy": Way("planted faults instead, so that the most affected are suspect", target=Target.PLANTED),
    "none": None,  # nothing is unlearned
}
