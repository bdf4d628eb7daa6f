"""Adam as a function that can be differentiated, and as the optimiser that training takes when ``eps_root`` is not 0.

Kingma & Ba 2015, with one constant more: ``eps_root`` stands inside the root, where Adam's own ``eps`` stands outside. The
root's slope at 0 is infinite, so that without it a parameter whose gradients are small makes the trained weights jump with
the least change of the data. Engstrom et al. (MAGIC, arXiv 2504.16430) need it for the derivative of a whole training.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

BETAS = (0.9, 0.999)  # the library's defaults, which training takes
EPS = 1e-8


def stepped(
    parameters: Tensor,
    gradients: Tensor,
    first: Tensor,
    second: Tensor,
    step: int,
    rate: float,
    weight_decay: float = 0.0,
    eps_root: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """(parameters, first, second moment) after the ``step``-th step, from 1; all of one shape, nothing is written into.

    Differentiable in the first four arguments where ``eps_root`` is above 0 or no second moment is 0.
    """
    gradients = gradients + weight_decay * parameters
    first = BETAS[0] * first + (1 - BETAS[0]) * gradients
    second = BETAS[1] * second + (1 - BETAS[1]) * gradients.square()
    root = (second / (1 - BETAS[1] ** step) + eps_root).sqrt()
    return parameters - rate / (1 - BETAS[0] ** step) * first / (root + EPS), first, second


def clipped(gradients: Tensor, largest: float) -> Tensor:
    """A vector of gradients, shortened to the norm ``largest`` where it is longer; 0 leaves it as it is.

    As ``torch.nn.utils.clip_grad_norm_`` does it; differentiable but where the norm is ``largest``.
    """
    if not largest:
        return gradients
    return gradients * (largest / (torch.linalg.vector_norm(gradients) + 1e-6)).clamp(max=1.0)


class SmoothAdam(torch.optim.Optimizer):
    """``stepped`` as an optimiser; its state has the names of ``torch.optim.Adam``'s."""

    def __init__(self, parameters: Any, lr: float, weight_decay: float, eps_root: float) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "eps_root": eps_root})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step along the gradients; a ``closure`` is not asked."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.zeros(())
                    state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
                state["step"] += 1
                moved, state["exp_avg"], state["exp_avg_sq"] = stepped(
                    parameter,
                    parameter.grad,
                    state["exp_avg"],
                    state["exp_avg_sq"],
                    int(state["step"]),
                    group["lr"],
                    group["weight_decay"],
                    group["eps_root"],
                )
                parameter.copy_(moved)


def optimiser(parameters: Any, rate: float, weight_decay: float, eps_root: float) -> torch.optim.Optimizer:
    """The library's fused Adam, or ``SmoothAdam`` when ``eps_root`` is above 0."""
    if eps_root:
        return SmoothAdam(parameters, rate, weight_decay, eps_root)
    return torch.optim.Adam(parameters, lr=rate, weight_decay=weight_decay, fused=True)


def root_above(second: Tensor, step: int) -> float:
    """The power of ten above the median of the corrected second moment: an ``eps_root`` that would be felt."""
    median = float((second[second > 0] / (1 - BETAS[1] ** step)).median()) if bool((second > 0).any()) else 1.0
    return float(10.0 ** math.ceil(math.log10(median)))
