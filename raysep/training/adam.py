"""Adam as a function that can be differentiated, and as the optimisers that training takes, with ``eps_root`` and without.

Kingma & Ba 2015, with one constant more: ``eps_root`` stands inside the root, where Adam's own ``eps`` stands outside. The
root's slope at 0 is infinite, so that without it a parameter whose gradients are small makes the trained weights jump with
the least change of the data. Engstrom et al. (MAGIC, arXiv 2504.16430) need it for the derivative of a whole training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam as fused_adam

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


class Adam:
    """The library's fused Adam bit for bit, and its saved state, in a class of its own.

    Every ``torch.optim.Optimizer`` takes in the library's compiler, which nobody here asks for: as many seconds of CPU
    (1.7) in every process that trains as torch itself. ``param_groups`` and ``state`` are as the library's.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        self.parameters = list(parameters)
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}
        self.param_groups: list[dict[str, Any]] = [
            {"params": self.parameters, "lr": lr, "weight_decay": weight_decay, "betas": BETAS, "eps": EPS}
        ]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients; a parameter without one stays as it is."""
        moving = [parameter for parameter in self.parameters if parameter.grad is not None]
        for parameter in moving:
            if parameter not in self.state:
                self.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32, device=self._place("step", parameter)),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        self._move(moving, [self.state[parameter] for parameter in moving], self.param_groups[0])

    def _place(self, name: str, parameter: nn.Parameter) -> torch.device:
        """Where that part of a parameter's state lies."""
        return parameter.device

    def _move(self, parameters: list[nn.Parameter], states: list[dict[str, Tensor]], group: dict[str, Any]) -> None:
        tensors: list[Tensor] = [*parameters]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        first, second, steps = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))
        fused_adam(
            tensors,
            gradients,
            first,
            second,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` takes back, with parameters by their number; the tensors themselves, not copies."""
        numbers = {parameter: number for number, parameter in enumerate(self.parameters)}
        return {
            "state": {numbers[parameter]: dict(state) for parameter, state in self.state.items()},
            "param_groups": [{**group, "params": list(numbers.values())} for group in self.param_groups],
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from what was saved, by the library's Adam as well; ``ValueError`` when that had other parameters."""
        (group,) = saved["param_groups"]
        if len(group["params"]) != len(self.parameters):
            raise ValueError(f"a state of {len(group['params'])} parameters, and here are {len(self.parameters)}")
        self.param_groups[0] |= {name: group[name] for name in self.param_groups[0].keys() & group if name != "params"}
        self.state = {
            (own := self.parameters[number]): {name: value.to(self._place(name, own)) for name, value in state.items()}
            for number, state in saved["state"].items()
        }


class SmoothAdam(Adam):
    """``stepped`` as an optimiser."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float, eps_root: float) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.param_groups[0]["eps_root"] = eps_root

    def _place(self, name: str, parameter: nn.Parameter) -> torch.device:
        return torch.device("cpu") if name == "step" else parameter.device  # asked for as a number at every step

    def _move(self, parameters: list[nn.Parameter], states: list[dict[str, Tensor]], group: dict[str, Any]) -> None:
        for parameter, state in zip(parameters, states, strict=True):
            assert parameter.grad is not None
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


def optimiser(parameters: Iterable[nn.Parameter], rate: float, weight_decay: float, eps_root: float) -> Adam:
    """``Adam``, or ``SmoothAdam`` when ``eps_root`` is above 0."""
    return SmoothAdam(parameters, rate, weight_decay, eps_root) if eps_root else Adam(parameters, rate, weight_decay)


def root_above(second: Tensor, step: int) -> float:
    """The power of ten above the median of the corrected second moment: an ``eps_root`` that would be felt."""
    median = float((second[second > 0] / (1 - BETAS[1] ** step)).median()) if bool((second > 0).any()) else 1.0
    return float(10.0 ** math.ceil(math.log10(median)))
