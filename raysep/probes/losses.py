"""The training loss of given segments at fixed weights, reduced in float64 so that small differences survive."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from raysep.probes.gradients import evaluating
from raysep.separators.base import MagnitudeSeparator
from raysep.separators.spectrogram import magnitude
from raysep.training.loss import magnitude_mse


def losses_of(network: nn.Module, mixtures: Tensor, targets: Tensor, batch: int = 16) -> Tensor:
    """``(n, stem)`` float64 losses of ``(n, channel, time)`` mixtures with ``(n, stem, channel, time)`` targets."""
    with evaluating(network), torch.inference_mode():
        parts = [
            magnitude_mse(network(mixture), network.magnitude(target), torch.float64)
            for mixture, target in zip(mixtures.split(batch), targets.split(batch), strict=True)
        ]
    return torch.cat(parts)


@torch.inference_mode()
def loss_difference(plus: MagnitudeSeparator, minus: MagnitudeSeparator, targets: Tensor, batch: int = 4) -> Tensor:
    """``(n, stem)`` L(plus) - L(minus) in float64, on mixtures that are the sums of ``(n, stem, channel, time)`` targets.

    Of two weight sets of one network, in eval mode, whose stems are the targets'. What ``losses_of`` would give for each is
    not taken apart first:  (p - t)² - (m - t)² = (p - m)(p + m - 2t),  so nothing cancels and the targets are read once.
    Each stem is transformed by itself, so that it stays in the cache, and the mixture not at all: the transform is linear,
    so its spectrum is the sum of theirs.
    """
    parts = []
    for target in targets.split(batch):
        spectra = [plus.spectrogram(stem) for stem in target.unbind(dim=1)]  # each (batch, channel, bin, frame)
        whole = spectra[0].clone()
        for spectrum in spectra[1:]:  # in place: a stack of them would be copied to memory and back
            whole += spectrum
        mixture = magnitude(whole)
        first, second = plus.estimate(mixture), minus.estimate(mixture)  # (batch, stem, channel, bin, frame)
        difference, rest = first - second, first.add_(second)
        for stem, spectrum in enumerate(spectra):
            rest[:, stem].sub_(magnitude(spectrum), alpha=2)
        parts.append(difference.mul_(rest).mean(dim=(-3, -2, -1), dtype=torch.float64))
    return torch.cat(parts)
