"""Scores that ask no reference: how large a stem's gradient is, plain and against what gradients usually are.

    self-influence   s_i = - mean over draws of  gᵀ (F + λ)⁻¹ g      F: the diagonal of the Fisher information

Pruthi et al. 2020 (arXiv 2002.08484, section 4.1): what is unlike the rest, wrong labels among it, moves most on itself. The
norm alone is the control that says how much of a targeted score is nothing but the size of the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from raysep.probes.rivals.point import Examples, Point, gradients, mean_by_stem

DAMPING = 0.1  # of the mean of F


def norm_score(point: Point, examples: Examples, stems: int) -> np.ndarray:
    """Minus the gradient's norm, a mean over draws: ``(stem,)``; NaN for a stem that was not drawn."""
    return _score(point, examples, stems, lambda gradient: float(torch.linalg.vector_norm(gradient)))


def self_influence(point: Point, examples: Examples, stems: int, fisher: Tensor) -> np.ndarray:
    """Minus the squared gradient over the damped ``fisher`` ``(parameter,)``: ``(stem,)``; NaN as above."""
    scale = (fisher + DAMPING * fisher.mean()).reciprocal()
    return _score(point, examples, stems, lambda gradient: float((gradient.double().square() * scale).sum()))


def fisher_diagonal(point: Point, batches: Iterable[Tensor]) -> Tensor:
    """Mean squared gradient of the losses of ``(batch, stem, channel, time)`` targets, float64 ``(parameter,)``."""
    total, count = torch.zeros_like(point.parameters, dtype=torch.float64), 0
    for targets in batches:
        for gradient in gradients(point, targets):
            total += gradient.double().square()
            count += 1
    return total / count


def _score(point: Point, examples: Examples, stems: int, size: Callable[[Tensor], float]) -> np.ndarray:
    values = [
        -np.array([size(gradient) for gradient in gradients(point, targets)]).reshape(len(targets), -1)
        for targets, _ in examples
    ]
    return mean_by_stem(values, [owners for _, owners in examples], stems)
