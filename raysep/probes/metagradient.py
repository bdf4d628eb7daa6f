"""The metagradient: how the reference loss of a trained network changes with the weight of every stem that it learned from.

    G_qi = dL_q(θ_T(w)) / dw_i  at w,      θ_{t+1} = Adam(θ_t, ∇ Σ w_i l_i(θ_t)),   t = 0 … T-1

L_q is the loss on the reference, of one label or of all; w_i multiplies the loss of stem i wherever training drew it. **Sign:**
positive = the loss grows with the weight, the stem does harm. Exact through all of training, by reverse accumulation: the
adjoint of the last state is pulled back step by step, each at its own state. Engstrom, Ilyas et al., "MAGIC:
near-optimal data attribution" (arXiv 2504.16430); the replay is theirs and Maclaurin, Duvenaud & Adams' (2015).

States are kept at every step where they fit into memory, else at about √T of them, and the steps between are computed once more:
the same draws, the same bits, which is checked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from raysep.errors import BadInput, RaysepError
from raysep.probes.gradients import losses_at
from raysep.training.unrolled import State, Unrolled

MEMORY_GIB = 4.0  # of states kept, unless said otherwise
Query = Callable[[dict[str, Tensor]], Iterable[Tensor]]  # network's weights -> losses (query,): parts, whose sum counts


@dataclass(frozen=True, eq=False)
class Adjoint:
    """Derivatives of the queries by a state: ``(query, parameter)`` each."""

    parameters: Tensor
    first: Tensor
    second: Tensor
    average: Tensor
    statistics: Tensor  # (query, statistic)


@dataclass(frozen=True, eq=False)
class Metagradient:
    """The derivative, and what it cost."""

    gradient: np.ndarray  # (query, stem) float64
    losses: np.ndarray  # (query,) of the trained network
    end: State
    growth: float  # norm of the adjoint at its largest, over that at the end: far above 1, training is not smooth
    stride: int  # steps from one state that was kept to the next
    seconds_training: float
    seconds_backward: float

    @property
    def cost(self) -> float:
        """In trainings, this one included."""
        return 1.0 + self.seconds_backward / self.seconds_training

    @property
    def worth(self) -> np.ndarray:
        """dB of reference loss that a stem's presence saves, ``(query, stem)``: higher = worth more.

        To first order: -10 / ln 10 · G / L, the loss in dB against the same without it.
        """
        return -10.0 / math.log(10.0) * self.gradient / self.losses[:, None]


def metagradient(
    training: Unrolled,
    weights: Tensor,
    query: Query,
    *,
    of_average: bool = True,
    memory_gib: float = MEMORY_GIB,
    on_step: Callable[[int], None] | None = None,
) -> Metagradient:
    """The derivative of ``query`` of what ``training`` ends with, by ``weights`` ``(stem,)``, at these weights.

    ``of_average`` asks the averaged weights of the network, which is what a training gives, instead of the last. ``on_step``
    is told how many of ``2 * steps`` are done. Raises ``BadInput`` when the network has no second derivatives or the states
    do not fit, ``RaysepError`` when the derivative is not finite or training does not repeat itself bit for bit.
    """
    steps, told = training.recipe.steps, on_step or (lambda done: None)
    start = training.start
    check_differentiable(training, start, weights)
    stride = stride_for(steps, start.bytes, int(memory_gib * 2**30))
    kept: dict[int, State] = {}
    began = time.perf_counter()
    end = start
    for end in training.states(weights, start):
        if end.step % stride == 0:
            kept[end.step] = end
        told(end.step)
    trained = time.perf_counter()
    losses, slopes, by_statistics = query_slopes(training, end, query, of_average)
    nothing = torch.zeros_like(slopes)
    slopes_of = (nothing, slopes) if of_average else (slopes, nothing)  # of the parameters, of their average
    adjoint = Adjoint(slopes_of[0], nothing, nothing, slopes_of[1], by_statistics)
    gradient = torch.zeros(len(losses), len(weights), dtype=torch.float64)
    largest = last = float(torch.linalg.vector_norm(slopes))
    after = end
    for first in range((steps - 1) // stride * stride, -1, -stride):
        segment = (
            list(training.states(weights, kept.pop(first), after.step)) if stride > 1 else [kept.pop(first), after]
        )
        if not segment[-1].equals(after):
            raise RaysepError(
                f"steps {first} to {after.step} gave other bits the second time; choose deterministic kernels "
                "(torch.use_deterministic_algorithms), or memory for the state of every step"
            )
        for state in reversed(segment[:-1]):
            adjoint, part = pulled_back(training, state, weights, adjoint)
            gradient += part.cpu()
            norm = float(torch.linalg.vector_norm(adjoint.parameters))
            if not math.isfinite(norm):
                raise RaysepError(
                    f"step {state.step}: the derivative is not finite; raise training.eps_root "
                    f"({training.recipe.eps_root:g}) or lower training.learning_rate ({training.recipe.learning_rate:g})"
                )
            largest = max(largest, norm)
            told(2 * steps - state.step)
        after = segment[0]
    return Metagradient(
        gradient.numpy(),
        losses,
        end,
        largest / last if last else math.inf,
        stride,
        trained - began,
        time.perf_counter() - trained,
    )


def pulled_back(training: Unrolled, state: State, weights: Tensor, adjoint: Adjoint) -> tuple[Adjoint, Tensor]:
    """One step backwards: the adjoint of ``state`` from that of the state after it, and the step's share of the result.

    The share, float64 ``(query, stem)``, is what the weights do in this step. Step and gradient are taken apart: the
    gradient's own derivative, which costs, is asked for once a query with what Adam makes of the adjoint.
    """
    parameters, stems = state.parameters.detach().requires_grad_(), weights.detach().requires_grad_()
    gradient, statistics = training.gradient(parameters, stems, state.step, differentiable=True)
    kept, momentum = training.averaging(state.step), training.momentum
    before = [x.detach().requires_grad_() for x in (state.parameters, state.first, state.second, gradient)]
    after = training.moved(before[0], before[1], before[2], before[3], state.step)
    moved = adjoint.parameters + (1.0 - kept) * adjoint.average
    rows, shares = [], []
    for *row, by_statistics in zip(moved, adjoint.first, adjoint.second, adjoint.statistics, strict=True):
        direct, first, second, through = torch.autograd.grad(after, before, row, retain_graph=True)
        by_parameters, by_stems = torch.autograd.grad(
            (gradient, statistics),
            (parameters, stems),
            (through, momentum * by_statistics),
            retain_graph=True,
            materialize_grads=True,
            allow_unused=True,
        )
        rows.append((direct + by_parameters, first, second))
        shares.append(by_stems.double())
    of_parameters, of_first, of_second = (torch.stack(column) for column in zip(*rows, strict=True))
    before_it = Adjoint(
        of_parameters, of_first, of_second, kept * adjoint.average, (1.0 - momentum) * adjoint.statistics
    )
    return before_it, torch.stack(shares)


def query_slopes(
    training: Unrolled, end: State, query: Query, of_average: bool = True
) -> tuple[np.ndarray, Tensor, Tensor]:
    """The queries' losses, float64 ``(query,)``, with their gradients by the parameters ``(query, parameter)`` and by the
    batch norms' statistics ``(query, statistic)``.
    """
    leaves = [
        (end.average if of_average else end.parameters).detach().requires_grad_(),
        end.statistics.detach().requires_grad_(),
    ]
    losses: list[np.ndarray] = []
    slopes: list[list[Tensor]] = []
    for part in query(training.evaluated(*leaves)):
        rows = [
            torch.autograd.grad(one, leaves, retain_graph=True, materialize_grads=True, allow_unused=True)
            for one in part
        ]
        losses.append(part.detach().double().cpu().numpy())
        slopes.append([torch.stack(column) for column in zip(*rows, strict=True)])
    if not losses:
        raise BadInput("the metagradient of no reference: give at least one segment")
    of_parameters, of_statistics = (torch.stack(column).sum(dim=0) for column in zip(*slopes, strict=True))
    return np.sum(losses, axis=0), of_parameters, of_statistics


def query_losses(training: Unrolled, end: State, query: Query, of_average: bool = True) -> np.ndarray:
    """The queries' losses alone, float64 ``(query,)``."""
    with torch.no_grad():
        named = training.evaluated(end.average if of_average else end.parameters, end.statistics)
        return np.sum([part.double().cpu().numpy() for part in query(named)], axis=0)


def reference_query(training: Unrolled, batches: Sequence[tuple[Tensor, Tensor]], by_label: bool = False) -> Query:
    """The mean loss on the reference, of all labels together or, ``by_label``, of each: what attribution asks for.

    ``batches`` are mixtures ``(n, channel, time)`` with targets ``(n, stem, channel, time)``; a batch goes through at once.
    Each label costs as much again as the mean of all.
    """
    count = sum(len(mixtures) for mixtures, _ in batches)

    def parts(weights: dict[str, Tensor]) -> Iterable[Tensor]:
        for mixtures, targets in batches:
            losses = losses_at(training.network, mixtures, targets)(weights).sum(dim=0) / count  # (stem,)
            yield losses if by_label else losses.mean()[None]

    return parts


def stride_for(steps: int, state_bytes: int, memory_bytes: int) -> int:
    """The fewest steps between two kept states so that these, and the states of one stretch between, fit.

    Raises ``BadInput`` when the best stride, about √steps, does not.
    """
    fitting = memory_bytes // state_bytes
    for stride in range(1, steps + 1):
        if -(-steps // stride) + (stride if stride > 1 else 1) <= fitting:
            return stride
    least = min(-(-steps // stride) + stride for stride in range(1, steps + 1))
    raise BadInput(
        f"the metagradient of {steps} steps keeps at least {least} states of {state_bytes / 2**20:.0f} MiB, "
        f"{least * state_bytes / 2**30:.1f} GiB, and may have {memory_bytes / 2**30:.1f}: give it more memory, or fewer steps"
    )


def check_differentiable(training: Unrolled, state: State, weights: Tensor) -> None:
    """Raise ``BadInput`` in one line when the network's gradient has no gradient itself.

    By ``backward``, not by ``grad``: what is marked ``once_differentiable`` refuses the first, and is left out by the second.
    """
    parameters, stems = state.parameters.detach().requires_grad_(), weights.detach().requires_grad_()
    try:
        gradient, _ = training.gradient(parameters, stems, 0, differentiable=True)
        torch.autograd.backward(gradient, torch.ones_like(gradient))
    except RuntimeError as error:
        reason = (str(error).splitlines() or [""])[0]
        raise BadInput(
            f"network {type(training.network).__name__}: no second derivatives ({reason}); the metagradient needs them: "
            "choose another network, or run on CPU"
        ) from error
