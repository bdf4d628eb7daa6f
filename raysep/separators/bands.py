"""Bands of a spectrum as one sequence: each is projected to as many features, and each gets its mask back from them.

Lu, Wang, Kong, Hung: "Music Source Separation with Band-Split RoPE Transformer", ICASSP 2024 (arXiv 2309.02612), sections
3.1 and 3.3. Parameters are named as in the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raysep.separators.spectrogram import single

# Added to the mean square under the root. A quiet band is brought to the same level as a loud one, as published: float32's
# own epsilon, the library's default, would lie above the mean square of a band at -70 dB.
FLOOR = 1e-24


class RMSNorm(nn.Module):
    """``(..., width)`` over the root of its mean square, times ``gamma``; in single precision also under autocast."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(single(x), self.gamma.shape, self.gamma, FLOOR)


class BandSplit(nn.Module):
    """``(batch, frame, value)``, the values of one band after another -> ``(batch, frame, band, dim)``."""

    def __init__(self, dim: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = list(widths)  # values of each band
        self.to_features = nn.ModuleList(nn.Sequential(RMSNorm(width), nn.Linear(width, dim)) for width in widths)

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(self.widths, dim=-1)
        return torch.stack([project(part) for project, part in zip(self.to_features, parts, strict=True)], dim=-2)


class MaskEstimator(nn.Module):
    """``(batch, frame, band, dim)`` -> ``(batch, frame, value)``: a perceptron for each band, the last layer gated."""

    def __init__(self, dim: int, widths: Sequence[int], hidden: Sequence[int]) -> None:
        super().__init__()
        self.to_freqs = nn.ModuleList(
            nn.Sequential(_perceptron([dim, *hidden, 2 * width]), nn.GLU(dim=-1)) for width in widths
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = x.unbind(dim=-2)
        return torch.cat([estimate(part) for estimate, part in zip(self.to_freqs, parts, strict=True)], dim=-1)


def _perceptron(sizes: Sequence[int]) -> nn.Sequential:
    first, *rest = (nn.Linear(a, b) for a, b in pairwise(sizes))
    return nn.Sequential(first, *(module for layer in rest for module in (nn.Tanh(), layer)))
