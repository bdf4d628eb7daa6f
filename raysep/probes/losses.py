"""The training loss of given segments at fixed weights, reduced in float64 so that small differences survive.

As a probe it is in dB: it grows with the square of a stem's level, and raw a few loud stems would outvote all others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from raysep.probes.probe import Probe
from raysep.probes.readings import Readings

if TYPE_CHECKING:
    from torch import Tensor

    from raysep.separators.base import Separator


def losses_of(network: Separator, mixtures: Tensor, targets: Tensor, batch: int = 16) -> Tensor:
    """``(n, stem)`` float64 losses of ``(n, channel, time)`` mixtures with ``(n, stem, channel, time)`` targets."""
    import torch

    from raysep.probes.gradients import evaluating
    from raysep.training.loss import magnitude_mse

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
    import torch

    return _over_frames(torch.add(change, excess, alpha=2).mul_(change).mean(dim=-2))


def mean_square(values: Tensor) -> Tensor:
    """Mean of the squares over ``(..., channel, bin, frame)``: over the bins of a frame in the values' own type, of frames
    in float64.

    Rounding in a frame stays far below that of the values, and all in float64 would take ten times as long.
    """
    return _over_frames(values.square().mean(dim=-2))


def _over_frames(values: Tensor) -> Tensor:
    import torch

    return values.mean(dim=(-2, -1), dtype=torch.float64)


# As probes --------------------------------------------------------------------------------------------------------


def decibels(loss: np.ndarray) -> np.ndarray:
    return 10.0 * np.log10(np.maximum(loss, 1e-20))


def _low(network: str) -> Callable[[Readings], np.ndarray]:
    """Minus the loss in dB: higher = cleaner."""
    return lambda read: -decibels(read.of(network))


def _excess(read: Readings) -> np.ndarray:
    """A fault that the trained network has memorised costs it less than the network that never saw it."""
    return decibels(read.of("final")) - decibels(read.of("reference"))


RHO_LOSS = "Mindermann et al. 2022 (RHO-LOSS, arXiv 2206.07137)"
CLEAN = (
    Probe("loss", "clean", ("final",), True, "training loss", _low("final")),
    Probe("loss-early", "clean", ("early",), True, "training loss before memorisation", _low("early")),
    Probe("reference-loss", "clean", ("reference",), True, RHO_LOSS, _low("reference")),
    Probe("excess", "clean", ("final", "reference"), True, RHO_LOSS, _excess),
)
OWN = (Probe("own-loss", "own", ("final",), True, "training loss in the track's own mixture", _low("final")),)
