"""The loss that training minimises and attribution reads: L1 between magnitudes."""

from __future__ import annotations

from torch import Tensor

from raysep.separators.base import Separator


def magnitude_l1(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of ``(..., channel, bin, frame)`` magnitudes over channel, bin and frame: ``(...)``."""
    return (estimate - target).abs().mean(dim=(-3, -2, -1))


def stem_losses(network: Separator, mixture: Tensor, targets: Tensor) -> Tensor:
    """Loss of every stem of every example, lower = better.

    ``mixture`` ``(batch, channel, time)``, ``targets`` ``(batch, stem, channel, time)`` in the network's stem order ->
    ``(batch, stem)``. Differentiable; usable under ``torch.func`` transforms in eval mode.
    """
    return magnitude_l1(network(mixture), network.magnitude(targets))
