"""The training loss of given segments at fixed weights, reduced in float64 so that small differences survive."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from raysep.probes.gradients import evaluating
from raysep.training.loss import magnitude_mse


def losses_of(network: nn.Module, mixtures: Tensor, targets: Tensor, batch: int = 16) -> Tensor:
    """``(n, stem)`` float64 losses of ``(n, channel, time)`` mixtures with ``(n, stem, channel, time)`` targets."""
    with evaluating(network), torch.inference_mode():
        parts = [
            magnitude_mse(network(mixture), network.magnitude(target), torch.float64)
            for mixture, target in zip(mixtures.split(batch), targets.split(batch), strict=True)
        ]
    return torch.cat(parts)
