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


def loss_change(excess: Tensor, change: Tensor) -> Tensor:
    """L(θ') - L(θ) in float64, ``(...)``, without taking the difference of two losses.

    ``excess`` is p - t, what the magnitudes ``(..., channel, bin, frame)`` that θ estimates have above the targets, and
    ``change`` is p' - p, how they change:  (p' - t)² - (p - t)² = (p' - p)(p' - p + 2 (p - t)).  Nothing cancels, so a small
    step is read to as many digits as a large one.
    """
    return _over_frames(torch.add(change, excess, alpha=2).mul_(change).mean(dim=-2))


def mean_square(values: Tensor) -> Tensor:
    """Mean of the squares over ``(..., channel, bin, frame)``: over the bins of a frame in the values' own type, of frames
    in float64.

    Rounding in a frame stays far below that of the values, and all in float64 would take ten times as long.
    """
    return _over_frames(values.square().mean(dim=-2))


def _over_frames(values: Tensor) -> Tensor:
    return values.mean(dim=(-2, -1), dtype=torch.float64)
