"""The diagonal of the empirical Fisher information: the mean of squared *per-sample* gradients.

F_jj = (1/N) Σ_i (∂L(z_i, θ) / ∂θ_j)²; never the square of a batch's gradient, which is another quantity.
Kirkpatrick et al. 2017 (elastic weight consolidation).
"""

from __future__ import annotations

import torch
from torch import Tensor

from raysep.probes.gradients import ParameterSum, evaluating, reference_gradient, sample_loss, trainable
from raysep.separators.base import Separator

Fisher = ParameterSum  # of squared gradients: .merge(), .mean(), .to_bytes(), .from_bytes()


def diagonal_fisher(
    network: Separator, mixtures: Tensor, targets: Tensor, method: str = "loop", chunk: int = 8
) -> Fisher:
    """Sum of squared per-sample gradients of ``(n, channel, time)`` mixtures and ``(n, stem, channel, time)`` targets.

    ``method="loop"`` takes samples one by one and works for every module; ``"vmap"`` takes ``chunk`` together, which
    pays where a sample's tensors are small (convolutions, linear layers). A recurrent layer has no batching rule and
    is several times slower under vmap. Squared and summed in float64.
    """
    if method not in ("vmap", "loop"):
        raise ValueError(f"method must be 'vmap' or 'loop', not {method!r}")
    with evaluating(network):
        weights = {name: p.detach() for name, p in trainable(network).items()}
        total = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in weights.items()}
        if method == "vmap":
            each = torch.vmap(torch.func.grad(sample_loss(network)), in_dims=(None, 0, 0))
            for mixture, target in zip(mixtures.split(chunk), targets.split(chunk), strict=True):
                for name, value in each(weights, mixture, target).items():
                    total[name] += value.double().square().sum(dim=0)
        else:
            for mixture, target in zip(mixtures, targets, strict=True):
                for name, value in reference_gradient(network, [(mixture[None], target[None])]).sum.items():
                    total[name] += value.square()
    return Fisher(total, len(mixtures))
