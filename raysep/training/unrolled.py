"""A training as a function of the weights of its stems: each step pure and differentiable, and the same bits every time.

The weight of a stem multiplies its loss wherever it is drawn; at 1 for all it is the training of the loop by the same
recipe and draws, with the network in evaluation mode throughout, as in MAGIC (arXiv 2504.16430). What differs from the loop
for that reason, or cannot be differentiated, is named by ``left_out``, or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.modules.dropout import _DropoutNd as Dropout

from raysep.errors import BadInput, RaysepError
from raysep.separators.base import Separator
from raysep.separators.recurrence import step_by_step
from raysep.training import adam
from raysep.training.augment import augmentation, varied
from raysep.training.ema import decay_of
from raysep.training.loss import error_map, form_of
from raysep.training.recipe import Recipe
from raysep.training.schedule import learning_rate


class Batch(NamedTuple):
    """What a step is drawn: ``owners`` says whose weight each stem has, by number; -1 = weight 1, whatever the others."""

    targets: Tensor | np.ndarray  # (batch, stem, channel, time)
    owners: np.ndarray  # (batch, stem) int


Draw = Callable[[int], Batch]  # of a step, from 0; the same one whenever it is asked for the same step


@dataclass(frozen=True, eq=False)
class State:
    """Where a training is after ``step`` steps. Vectors hold all trainable parameters, one after another."""

    step: int
    parameters: Tensor  # (parameter,)
    first: Tensor  # Adam's moments
    second: Tensor
    average: Tensor  # what is used of a training

    def equals(self, other: State) -> bool:
        """To the last bit."""
        return self.step == other.step and all(
            torch.equal(getattr(self, name), getattr(other, name)) for name in ("parameters", "first", "second")
        )

    @property
    def bytes(self) -> int:
        """Of what the replay needs: without the average."""
        return 3 * self.parameters.nbytes


class Unrolled:
    """The training of ``network`` by ``recipe`` on what ``draw`` gives, as a function of weights ``(stem,)``.

    The network is as it is to begin with, its input and its batch norms' statistics set; it is left as it was. With
    ``whole_example`` a stem's weight multiplies the losses of all stems that it is mixed with, not only its own: as if the
    weight said how often the stem is drawn.

    Raises ``BadInput`` for a recipe whose training is not a differentiable function of the weights.
    """

    def __init__(self, network: Separator, draw: Draw, recipe: Recipe, whole_example: bool = False) -> None:
        for problem in _refused(recipe):
            raise BadInput(problem)
        self.network, self.draw, self.recipe, self.whole_example = network, draw, recipe, whole_example
        self._named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
        self._changes = augmentation(recipe.augment)
        self._own_kernels = any(isinstance(module, nn.RNNBase) for module in network.modules())

    @property
    def start(self) -> State:
        """Before the first step."""
        parameters = torch.cat([p.detach().flatten() for _, p in self._named])
        return State(0, parameters, torch.zeros_like(parameters), torch.zeros_like(parameters), parameters.clone())

    def named(self, parameters: Tensor) -> dict[str, Tensor]:
        """name → parameter, views of the vector."""
        parts = parameters.split([p.numel() for _, p in self._named])
        return {name: part.view_as(p) for (name, p), part in zip(self._named, parts, strict=True)}

    def batch(self, step: int) -> tuple[Tensor, np.ndarray]:
        """The targets and owners of a step, varied as the loop varies them."""
        targets, owners = self.draw(step)
        parameter = self._named[0][1]
        rng = np.random.default_rng([self.recipe.seed, step, 0])
        audio = torch.as_tensor(targets).to(parameter, copy=torch.is_tensor(targets) and len(self._changes) > 0)
        return varied(audio, owners, self._changes, rng)

    def losses(self, parameters: Tensor, targets: Tensor) -> Tensor:
        """The training loss of each stem of each example, ``(batch, stem)``."""
        network, form = self.network, form_of(self.recipe.loss)
        with self._evaluating():
            estimate = functional_call(network, self.named(parameters), (targets.sum(dim=1), form))
            wanted = targets[:, : len(network.stems)]
            return error_map(network, estimate, wanted, self.recipe.loss).mean(dim=2)

    def gradient(self, parameters: Tensor, weights: Tensor, step: int, differentiable: bool = False) -> Tensor:
        """Of the weighted loss of a step's batch, ``(parameter,)``; ``differentiable`` once more by both arguments."""
        targets, owners = self.batch(step)
        with step_by_step() if differentiable else nullcontext():
            losses = self.losses(parameters, targets)
        loss = (losses * self._shares(weights, owners)[:, : losses.shape[1]]).mean()
        (found,) = torch.autograd.grad(loss, parameters, create_graph=differentiable)
        return found

    def moved(
        self, parameters: Tensor, first: Tensor, second: Tensor, gradient: Tensor, step: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(parameters, moments) after step ``step``, from 0, with the gradient of its batch: clipping, schedule, decay, Adam."""
        recipe = self.recipe
        rate = learning_rate(recipe.schedule, recipe.learning_rate, step, recipe.steps, recipe.warmup)
        held = adam.clipped(gradient, recipe.gradient_clip)
        return adam.stepped(
            parameters, held, first, second, step + 1, rate, recipe.weight_decay, recipe.eps_root
        )

    def averaging(self, step: int) -> float:
        """The share of the average that step ``step``, from 0, leaves as it is."""
        return decay_of(self.recipe.ema_decay, step)

    def next(self, state: State, weights: Tensor) -> State:
        """One step on. Raises ``RaysepError`` when what it leads to is not finite."""
        parameters = state.parameters.detach().requires_grad_()
        gradient = self.gradient(parameters, weights, state.step)
        with torch.no_grad():
            moved, first, second = self.moved(state.parameters, state.first, state.second, gradient, state.step)
            if not bool(torch.isfinite(moved).all()):
                raise RaysepError(
                    f"step {state.step}: the weights of the network are not finite; lower the learning rate "
                    f"({self.recipe.learning_rate:g}) or look for stems with samples that are not numbers"
                )
            average = torch.lerp(state.average, moved, 1.0 - self.averaging(state.step))
        return State(state.step + 1, moved, first, second, average)

    def states(self, weights: Tensor, start: State | None = None, stop: int | None = None) -> Iterator[State]:
        """The state before the first step and after each, up to step ``stop`` (default: all)."""
        state = self.start if start is None else start
        yield state
        while state.step < (self.recipe.steps if stop is None else stop):
            state = self.next(state, weights)
            yield state

    def end(self, weights: Tensor) -> State:
        """After the last step."""
        *_, last = self.states(weights)
        return last

    def shortened(self, steps: int) -> Unrolled:
        """The same training with so many steps, its schedule squeezed into them."""
        return Unrolled(self.network, self.draw, replace(self.recipe, steps=steps, save_steps=()), self.whole_example)

    def _shares(self, weights: Tensor, owners: np.ndarray) -> Tensor:
        """What the loss of each stem is multiplied by, ``(batch, stem)``."""
        of_each = torch.cat([weights, weights.new_ones(1)])[torch.from_numpy(owners).to(weights.device)]
        return of_each.prod(dim=1, keepdim=True).expand_as(of_each) if self.whole_example else of_each

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Evaluation mode; recurrences by kernels whose gradient has a gradient, which cuDNN's lack."""
        modes = {module: module.training for module in self.network.modules()}
        self.network.eval()
        try:
            with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled and not self._own_kernels):
                yield
        finally:
            for module, training in modes.items():
                module.training = training


def left_out(network: Separator, recipe: Recipe) -> list[str]:
    """What the loop would do with this network and recipe and the unrolled training does not, in words."""
    modules = list(network.modules())
    droppers = [m for m in modules if (isinstance(m, Dropout) and m.p) or getattr(m, "dropout", 0)]
    said = {
        "dropout": bool(droppers),
        "batch statistics (the norms keep those of the first batches)": any(isinstance(m, BatchNorm) for m in modules),
        "training.accumulate (a batch goes through at once)": recipe.accumulate > 1,
        "the choice of the best validation (the last step counts)": bool(recipe.validate_every),
    }
    return [words for words, applies in said.items() if applies]


@torch.no_grad()
def fix_statistics(network: Separator, mixtures: Tensor) -> None:
    """Set batch norms' running statistics to those of ``(batch, channel, time)`` mixtures; call it before training.

    In evaluation mode that is what they work with from the first step to the last.
    """
    norms = [module for module in network.modules() if isinstance(module, BatchNorm) and module.track_running_stats]
    modes, momenta = {module: module.training for module in network.modules()}, [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True  # no momentum: the plain mean
    try:
        network(mixtures)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes.items():
            module.training = training


def _refused(recipe: Recipe) -> Iterator[str]:
    """One line for every setting under which training is no differentiable function of the stems' weights."""
    if not recipe.eps_root:
        yield (
            "training.eps_root 0: Adam's step has no derivative where a gradient is 0; "
            "set 1e-8 or more, the more the smoother"
        )
    if recipe.schedule == "plateau" or recipe.patience:
        yield "training.schedule plateau, training.patience: validation decides, which has no derivative; choose cosine and 0"
    if recipe.truncate != "none":
        yield f"training.truncate {recipe.truncate}: which losses are left out has no derivative; choose none"
    if recipe.precision != "float32":
        yield f"training.precision {recipe.precision}: its rounding drowns the derivative; choose float32"
