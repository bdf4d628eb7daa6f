"""The loss that training minimises and attribution reads: squared error between magnitudes, as in open-unmix.

Measured against the absolute error on the demo's songs (600 steps): 0.3 dB better on clean stems, and three times the
gap between clean and contaminated training. The absolute error is itself robust to wrong stems; what is to be measured
here is what they do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from raysep.separators.base import Separator


def magnitude_mse(estimate: Tensor, target: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Mean squared difference of ``(..., channel, bin, frame)`` magnitudes over channel, bin and frame: ``(...)``.

    ``dtype`` is what the mean is taken in (default: the magnitudes' own).
    """
    return (estimate - target).square().mean(dim=(-3, -2, -1), dtype=dtype)


def stem_losses(network: Separator, mixture: Tensor, targets: Tensor) -> Tensor:
    """Loss of every stem of every example, lower = better.

    ``mixture`` ``(batch, channel, time)``, ``targets`` ``(batch, stem, channel, time)`` in the network's stem order ->
    ``(batch, stem)``. Differentiable; usable under ``torch.func`` transforms in eval mode.
    """
    return magnitude_mse(network(mixture), network.magnitude(targets))
