"""The training loop: plain torch, one process's part of it, and a state that resumes bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from raysep.errors import RaysepError
from raysep.separators import registry
from raysep.separators.base import Separator
from raysep.separators.checkpoint import Checkpoint
from raysep.training.adam import optimiser
from raysep.training.augment import augmentation
from raysep.training.ema import EMA
from raysep.training.loss import batch_loss
from raysep.training.prefetch import prefetched
from raysep.training.recipe import Recipe
from raysep.training.schedule import learning_rate
from raysep.training.validation import Validation

Batch = Tensor | np.ndarray
Draw = Callable[[int], Batch | Sequence[Batch]]


class TrainingState:
    """Everything that changes while a network trains: weights, Adam's moments, the average, validations, the step count."""

    def __init__(self, network: Separator, recipe: Recipe) -> None:
        self.network = network
        self.step = 0  # optimiser steps done
        self.optimiser = optimiser(network.parameters(), recipe.learning_rate, recipe.weight_decay, recipe.eps_root)
        self.ema = EMA(network, recipe.ema_decay)
        self.validation = Validation(
            keep=recipe.keep_best,
            patience=recipe.patience,
            plateau_patience=recipe.plateau_patience if recipe.schedule == "plateau" else 0,
            plateau_factor=recipe.plateau_factor,
        )

    @property
    def finished(self) -> bool:
        """Whether validation has ended the training early."""
        return self.validation.finished

    def state_dict(self) -> dict:
        """A copy of it all, in tensors, numbers and strings only: ``torch.load(weights_only=True)`` reads it back."""
        return {
            "step": self.step,
            "network": {name: value.detach().clone() for name, value in self.network.state_dict().items()},
            "optimiser": deepcopy(self.optimiser.state_dict()),
            "ema": self.ema.state(),
            "validation": [list(entry) for entry in self.validation.history],
        }

    def load_state_dict(self, state: dict) -> None:
        """Take ``state_dict()`` back, into the network too."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(deepcopy(state["optimiser"]))
        self.ema.load(state["ema"])
        self.validation.history = [(step, value) for step, value in state["validation"]]
        self.step = state["step"]

    def second_moment(self) -> dict[str, Tensor]:
        """Adam's ``exp_avg_sq`` by parameter name; empty before the first step."""
        moments = self.optimiser.state
        return {
            name: moments[parameter]["exp_avg_sq"].detach().clone()
            for name, parameter in self.network.named_parameters()
            if parameter in moments
        }


def train(
    network: Separator,
    draw: Draw,
    recipe: Recipe,
    *,
    model: nn.Module | None = None,
    state: TrainingState | None = None,
    parts: Sequence[int] = (0,),
    world: int = 1,
    validate: Callable[[Separator], float] | None = None,
    on_step: Callable[[int, float], None] | None = None,
    on_validate: Callable[[int, float, TrainingState], None] | None = None,
    on_save: Callable[[int, TrainingState], None] | None = None,
) -> TrainingState:
    """Train ``network`` from ``state`` (default: from the start) to ``recipe.steps``; returns the state.

    ``draw(step)`` gives the targets ``(batch, stem, channel, time)`` of a step, from 0, one array for each of ``parts``
    (an array alone is a list of one); the mixture is their sum. A part is a share of the batch with randomness of its
    own. Their number is fixed in a training, how many of the ``world`` processes they are dealt to is not: a process adds
    up the gradients of its parts, and the step is that of the whole batch of ``recipe.batch`` examples. A numpy array is
    the training's own from then on, augmentation writes into it; a tensor is left as it is.

    ``model`` is what the forward pass goes through: the network itself, or its DDP wrapper. ``validate(network)`` is
    called with the averaged weights in the network, every ``recipe.validate_every`` steps and after the last, and returns
    a figure that is higher for a better network. ``on_step(step, loss)``, ``on_validate(step, value, state)`` and
    ``on_save(step, state)`` get the number of steps done; the last is called after every one of ``save_steps`` and after
    the last step. On CPU, training in one go and training with a stop and a resume give the same bits.

    Raises ``RaysepError`` when the loss or the gradient is not finite; the parameters are then those before that step.
    """
    model = network if model is None else model
    state = TrainingState(network, recipe) if state is None else state
    if state.network is not network:
        raise ValueError("the state belongs to another network object: make it with TrainingState(network, recipe)")
    vary = augmentation(recipe.augment)
    model.train()
    with prefetched(draw, range(state.step, recipe.steps)) as drawn:
        for targets in drawn:
            if state.finished:
                break
            loss = _step(model, state, _as_list(targets), recipe, vary, parts, world)
            if on_step is not None:
                on_step(state.step, loss)
            if validate is not None and _is_due(recipe, state.step):
                with state.ema.applied(network):
                    network.eval()
                    value = validate(network)
                model.train()
                state.validation.note(state.step, value)
                if on_validate is not None:
                    on_validate(state.step, value, state)
            last = state.step == recipe.steps or state.finished
            if on_save is not None and (state.step in recipe.save_steps or last):
                on_save(state.step, state)
    network.eval()
    return state


def _is_due(recipe: Recipe, step: int) -> bool:
    return bool(recipe.validate_every) and (step % recipe.validate_every == 0 or step == recipe.steps)


def _as_list(targets: Batch | Sequence[Batch]) -> list[Batch]:
    return [targets] if isinstance(targets, Batch) else list(targets)


def _step(
    model: nn.Module,
    state: TrainingState,
    targets: list[Batch],
    recipe: Recipe,
    vary: nn.ModuleList,
    parts: Sequence[int],
    world: int,
) -> float:
    """One optimiser step; the mean loss of this process's examples before it."""
    network, optimiser = state.network, state.optimiser
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(
            recipe.schedule, recipe.learning_rate, state.step, recipe.steps, recipe.warmup, state.validation.factor
        )
    optimiser.zero_grad()
    total = torch.zeros((), dtype=torch.float64)
    apart = getattr(model, "no_sync", nullcontext)  # a wrapper's: within it processes exchange no gradients
    pieces = list(_pieces(targets, recipe, vary, parts, state))
    for number, (piece, seed, part) in enumerate(pieces):
        with ExitStack() as stack:
            if part:  # whoever computes it: the first part's process is the one whose statistics are kept
                stack.enter_context(_running_statistics_kept(network))
            if number + 1 < len(pieces):
                stack.enter_context(apart())  # they exchange them once a step
            stack.enter_context(_seeded(seed, piece.device))
            stack.enter_context(_autocast(recipe.precision, piece.device))
            loss = batch_loss(model, network, piece, recipe.loss, recipe.truncate, recipe.truncate_share)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise _diverged("loss", value, state.step, recipe)
            # A wrapper averages over processes; what is wanted is the mean over examples.
            (loss * (len(piece) * world / recipe.batch)).backward()
            total += value * len(piece)
    norm = nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_clip or math.inf)
    if not math.isfinite(float(norm)):
        raise _diverged("norm of the gradient", float(norm), state.step, recipe)
    optimiser.step()
    state.ema.update(network)
    state.step += 1
    return float(total) / sum(len(piece) for piece, *_ in pieces)


def _pieces(
    targets: list[Batch], recipe: Recipe, vary: nn.ModuleList, parts: Sequence[int], state: TrainingState
) -> Iterator[tuple[Tensor, int, int]]:
    """What goes through the network at once, varied, on its device; with the seed of its dropout, and its part."""
    device = next(state.network.parameters()).device
    for part, batch in zip(parts, targets, strict=True):
        if not len(batch):
            continue
        rng = np.random.default_rng([recipe.seed, state.step, part])
        # A tensor may be drawn again; to copy what a pool draws would cost a small network 7 % of its step.
        theirs = torch.is_tensor(batch)
        batch = torch.as_tensor(batch).to(device, non_blocking=True, copy=theirs and len(vary) > 0)
        for change in vary:
            batch = change(batch, rng)
        for piece in batch.tensor_split(min(recipe.accumulate, len(batch))):
            yield piece, int(rng.integers(2**63)), part


@contextmanager
def _running_statistics_kept(network: nn.Module) -> Iterator[None]:
    """What passes through the network leaves no trace in its batch norms' running statistics."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    before = [[buffer.clone() for buffer in norm.buffers()] for norm in norms]
    try:
        yield
    finally:
        with torch.no_grad():
            for norm, values in zip(norms, before, strict=True):
                for buffer, value in zip(norm.buffers(), values, strict=True):
                    buffer.copy_(value)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Dropout draws from torch's generators: seeded by the step, a resumed run draws what it would have drawn."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _autocast(precision: str, device: torch.device) -> AbstractContextManager:
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bfloat16" else nullcontext()


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
