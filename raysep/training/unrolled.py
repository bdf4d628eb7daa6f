"""A training as a function of the weights of its stems: each step pure and differentiable, and the same bits every time.

The weight of a stem multiplies its loss wherever it is drawn; at 1 for all it is the training of the loop by the same
recipe and draws, to rounding. What differs from the loop is named by ``left_out``, what has no derivative refused.
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
from torch.nn.modules.dropout import _DropoutNd as Dropout

from raysep.errors import BadInput, RaysepError
from raysep.separators.base import Separator
from raysep.separators.recurrence import step_by_step
from raysep.training import adam, norms
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
    statistics: Tensor  # (statistic,) running mean and variance of all batch norms, one after another

    def equals(self, other: State) -> bool:
        """To the last bit."""
        return self.step == other.step and all(
            torch.equal(getattr(self, name), getattr(other, name))
            for name in ("parameters", "first", "second", "statistics")
        )

    @property
    def bytes(self) -> int:
        """Of what the replay needs: without the average."""
        return 3 * self.parameters.nbytes + self.statistics.nbytes


class Unrolled:
    """The training of ``network`` by ``recipe`` on what ``draw`` gives, as a function of weights ``(stem,)``.

    The network is as it is to begin with, and is left as it was. With ``whole_example`` a stem's weight multiplies the losses
    of all stems that it is mixed with, not only its own: as if the weight said how often the stem is drawn. With
    ``fixed_statistics`` batch norms keep the statistics that they begin with (``norms.fix_statistics``).

    Raises ``BadInput`` for a recipe whose training is not a differentiable function of the weights.
    """

    def __init__(
        self,
        network: Separator,
        draw: Draw,
        recipe: Recipe,
        whole_example: bool = False,
        fixed_statistics: bool = False,
    ) -> None:
        for problem in _refused(recipe, network):
            raise BadInput(problem)
        self.network, self.draw, self.recipe, self.whole_example = network, draw, recipe, whole_example
        self.fixed_statistics = fixed_statistics
        self._norms = norms.batch_norms(network)
        self._named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
        self._changes = augmentation(recipe.augment)
        self._own_kernels = any(isinstance(module, nn.RNNBase) for module in network.modules())

    @property
    def start(self) -> State:
        """Before the first step."""
        parameters = torch.cat([p.detach().flatten() for _, p in self._named])
        nothing = torch.zeros_like(parameters)
        return State(0, parameters, nothing, nothing, parameters.clone(), norms.running(self._norms, parameters))

    def named(self, parameters: Tensor) -> dict[str, Tensor]:
        """name → parameter, views of the vector."""
        parts = parameters.split([p.numel() for _, p in self._named])
        return {name: part.view_as(p) for (name, p), part in zip(self._named, parts, strict=True)}

    def evaluated(self, parameters: Tensor, statistics: Tensor) -> dict[str, Tensor]:
        """name → parameter or buffer of the network in evaluation mode, differentiable in both vectors."""
        return norms.folded(self._norms, self.named(parameters), statistics)

    def batch(self, step: int) -> tuple[Tensor, np.ndarray]:
        """The targets and owners of a step, varied as the loop varies them."""
        targets, owners = self.draw(step)
        parameter = self._named[0][1]
        rng = np.random.default_rng([self.recipe.seed, step, 0])
        audio = torch.as_tensor(targets).to(parameter, copy=torch.is_tensor(targets) and len(self._changes) > 0)
        return varied(audio, owners, self._changes, rng)

    def losses(self, parameters: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """(training loss of each stem of each example ``(batch, stem)``, the batch norms' statistics of the batch)."""
        network, form = self.network, form_of(self.recipe.loss)
        state = self.named(parameters) | norms.scratch(self._norms)
        with self._training_mode(), norms.listening(self._norms, parameters) as statistics:
            estimate = functional_call(network, state, (targets.sum(dim=1), form))
            wanted = targets[:, : len(network.stems)]
            losses = error_map(network, estimate, wanted, self.recipe.loss).mean(dim=2)
        return losses, statistics[0]

    def gradient(
        self, parameters: Tensor, weights: Tensor, step: int, differentiable: bool = False
    ) -> tuple[Tensor, Tensor]:
        """(of the weighted loss of a step's batch ``(parameter,)``, the batch's statistics).

        ``differentiable``: both once more, by both arguments.
        """
        targets, owners = self.batch(step)
        with step_by_step() if differentiable else nullcontext():
            losses, statistics = self.losses(parameters, targets)
        loss = (losses * self._shares(weights, owners)[:, : losses.shape[1]]).mean()
        (found,) = torch.autograd.grad(loss, parameters, create_graph=differentiable)
        return found, statistics

    def moved(
        self, parameters: Tensor, first: Tensor, second: Tensor, gradient: Tensor, step: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(parameters, moments) after step ``step``, from 0, with the gradient of its batch: clipping, schedule, decay, Adam."""
        recipe = self.recipe
        rate = learning_rate(recipe.schedule, recipe.learning_rate, step, recipe.steps, recipe.warmup)
        held = adam.clipped(gradient, recipe.gradient_clip)
        return adam.stepped(parameters, held, first, second, step + 1, rate, recipe.weight_decay, recipe.eps_root)

    @property
    def momentum(self) -> Tensor:
        """The share of the norms' statistics that a batch replaces, ``(statistic,)``; 0 where they are fixed."""
        return norms.momentum(self._norms, self._named[0][1].detach().flatten()) * float(not self.fixed_statistics)

    def averaging(self, step: int) -> float:
        """The share of the average that step ``step``, from 0, leaves as it is."""
        return decay_of(self.recipe.ema_decay, step)

    def next(self, state: State, weights: Tensor) -> State:
        """One step on. Raises ``RaysepError`` when what it leads to is not finite."""
        parameters = state.parameters.detach().requires_grad_()
        gradient, statistics = self.gradient(parameters, weights, state.step)
        with torch.no_grad():
            moved, first, second = self.moved(state.parameters, state.first, state.second, gradient, state.step)
            if not bool(torch.isfinite(moved).all()):
                raise RaysepError(
                    f"step {state.step}: the weights of the network are not finite; lower the learning rate "
                    f"({self.recipe.learning_rate:g}) or look for stems with samples that are not numbers"
                )
            average = torch.lerp(state.average, moved, 1.0 - self.averaging(state.step))
            running = state.statistics + self.momentum * (statistics - state.statistics)
        return State(state.step + 1, moved, first, second, average, running)

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
    def _training_mode(self) -> Iterator[None]:
        """Evaluation mode, so no dropout, but for the batch norms; recurrences by kernels whose gradient has a gradient."""
        modes = {module: module.training for module in self.network.modules()}
        self.network.eval()
        for norm in self._norms.values():
            norm.training = not self.fixed_statistics
        try:
            with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled and not self._own_kernels):
                yield
        finally:
            for module, training in modes.items():
                module.training = training


def left_out(training: Unrolled) -> list[str]:
    """What the loop would do with this network and recipe and the unrolled training does not, in words."""
    modules, recipe = list(training.network.modules()), training.recipe
    droppers = [m for m in modules if (isinstance(m, Dropout) and m.p) or getattr(m, "dropout", 0)]
    said = {
        "dropout": bool(droppers),
        "batch statistics (the norms keep those that they began with)": training.fixed_statistics
        and bool(norms.batch_norms(training.network)),
        "training.accumulate (a batch goes through at once)": recipe.accumulate > 1,
        "the choice of the best validation (the last step counts)": bool(recipe.validate_every),
    }
    return [words for words, applies in said.items() if applies]


def _refused(recipe: Recipe, network: Separator) -> Iterator[str]:
    """One line for everything under which training is no differentiable function of the stems' weights."""
    for name, norm in norms.batch_norms(network).items():
        if norm.momentum is None or not norm.affine:
            yield f"network {type(network).__name__}: the batch norm {name} needs a momentum, and a weight and a bias"
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
