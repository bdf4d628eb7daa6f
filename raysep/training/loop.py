"""The training loop: plain torch, one process's part of it, and a state that resumes bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from raysep.errors import BadInput, RaysepError
from raysep.separators import registry
from raysep.separators.base import Separator
from raysep.separators.checkpoint import Checkpoint
from raysep.training.ema import EMA
from raysep.training.loss import magnitude_mse


@dataclass(frozen=True)
class Recipe:
    """How to train. All counts are of optimiser steps, of this process's batch."""

    steps: int
    batch: int = 8
    segment_seconds: float = 3.0
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    warmup: int = 20  # steps over which the learning rate rises
    gradient_clip: float = 5.0  # largest norm of the gradient; 0 does not clip
    ema_decay: float = 0.99
    save_steps: tuple[int, ...] = ()  # steps after which to save, beside the last
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "segment_seconds", "learning_rate"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{name} {getattr(self, name)}: must be more than 0")
        for name in ("weight_decay", "warmup", "gradient_clip"):
            if not getattr(self, name) >= 0:
                raise BadInput(f"{name} {getattr(self, name)}: must be 0 or more")
        if not 0 <= self.ema_decay < 1:
            raise BadInput(f"ema_decay {self.ema_decay}: must be in [0, 1)")


class TrainingState:
    """Everything that changes while a network trains: weights, Adam's moments, the average and the step count."""

    def __init__(self, network: Separator, recipe: Recipe) -> None:
        self.network = network
        self.step = 0  # optimiser steps done
        self.optimiser = torch.optim.Adam(
            network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.ema = EMA(network, recipe.ema_decay)

    def state_dict(self) -> dict:
        """A copy of it all, in tensors, numbers and strings only: ``torch.load(weights_only=True)`` reads it back."""
        return {
            "step": self.step,
            "network": {name: value.detach().clone() for name, value in self.network.state_dict().items()},
            "optimiser": deepcopy(self.optimiser.state_dict()),
            "ema": self.ema.state(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Take ``state_dict()`` back, into the network too."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(deepcopy(state["optimiser"]))
        self.ema.load(state["ema"])
        self.step = state["step"]

    def second_moment(self) -> dict[str, Tensor]:
        """Adam's ``exp_avg_sq`` by parameter name; empty before the first step."""
        moments = self.optimiser.state
        return {
            name: moments[parameter]["exp_avg_sq"].detach().clone()
            for name, parameter in self.network.named_parameters()
            if parameter in moments
        }


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then half a cosine down to zero; a function of the step alone, so there is nothing to save."""
    warm = min(1.0, (step + 1) / (recipe.warmup + 1))
    return recipe.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / recipe.steps)))


def train(
    network: Separator,
    draw: Callable[[int], Tensor],
    recipe: Recipe,
    *,
    model: nn.Module | None = None,
    state: TrainingState | None = None,
    on_step: Callable[[int, float], None] | None = None,
    on_save: Callable[[int, TrainingState], None] | None = None,
) -> TrainingState:
    """Train ``network`` from ``state`` (default: from the start) to ``recipe.steps``; returns the state.

    ``draw(step)`` gives the targets ``(batch, stem, channel, time)`` of a step, from 0; the mixture is their sum.
    ``model`` is what the forward pass goes through: the network itself, or its DDP wrapper. ``on_step(step, loss)`` and
    ``on_save(step, state)`` are called with the number of steps done; the latter after every one of ``save_steps`` and
    after the last. On CPU, training in one go and training with a stop and a resume give the same bits.

    Raises ``RaysepError`` when the loss or the gradient is not finite; the parameters are then those before that step.
    """
    model = network if model is None else model
    state = TrainingState(network, recipe) if state is None else state
    if state.network is not network:
        raise ValueError("the state belongs to another network object: make it with TrainingState(network, recipe)")
    device = next(network.parameters()).device
    model.train()
    while state.step < recipe.steps:
        targets = torch.as_tensor(draw(state.step)).to(device)  # (batch, stem, channel, time)
        loss = _step(model, state, targets, recipe)
        if on_step is not None:
            on_step(state.step, loss)
        if on_save is not None and (state.step in recipe.save_steps or state.step == recipe.steps):
            on_save(state.step, state)
    network.eval()
    return state


def _step(model: nn.Module, state: TrainingState, targets: Tensor, recipe: Recipe) -> float:
    """One optimiser step; the loss before it."""
    network, optimiser = state.network, state.optimiser
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(recipe, state.step)
    optimiser.zero_grad(set_to_none=True)
    with torch.random.fork_rng(devices=[]):
        # Dropout draws from torch's global generator: seeded by the step, a resumed run draws what it would have drawn.
        torch.manual_seed(int(np.random.default_rng([recipe.seed, state.step]).integers(2**63)))
        estimate = model(targets.sum(dim=1))  # (batch, stem, channel, bin, frame)
    with torch.no_grad():
        wanted = network.magnitude(targets)
    loss = magnitude_mse(estimate, wanted).mean()
    value = float(loss.detach())
    if not math.isfinite(value):
        raise _diverged("loss", value, state.step, recipe)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_clip or math.inf)
    if not math.isfinite(float(norm)):
        raise _diverged("norm of the gradient", float(norm), state.step, recipe)
    optimiser.step()
    state.ema.update(network)
    state.step += 1
    return value


def _diverged(what: str, value: float, step: int, recipe: Recipe) -> RaysepError:
    return RaysepError(
        f"step {step}: the {what} is {value}; lower the learning rate ({recipe.learning_rate:g}) "
        "or look for stems with samples that are not numbers"
    )


def to_checkpoint(
    state: TrainingState, network: Separator, averaged: bool = True, metadata: dict | None = None
) -> Checkpoint:
    """The averaged weights (or the raw ones) with Adam's second moment, independent of further training."""
    model, arguments = registry.describe(network)
    weights = state.ema.weights if averaged else network.state_dict()
    return Checkpoint(
        model=model,
        arguments=arguments,
        weights={name: value.detach().cpu().clone() for name, value in weights.items()},
        second_moment={name: value.cpu() for name, value in state.second_moment().items()} or None,
        step=state.step,
        metadata={"averaged": averaged} | (metadata or {}),
    )
