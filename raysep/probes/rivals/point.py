"""A network at fixed weights and the examples it learned from: losses, outputs and gradients of each stem there.

Examples are those of the training, by its own draws, mixtures and augmentation; norms and dropout are as in use. The loss is
that which the reference is asked with (``training.loss.stem_losses``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from raysep.probes.gradients import differentiable, losses_at
from raysep.probes.rivals.products import Function, along
from raysep.separators.recurrence import step_by_step
from raysep.training.unrolled import State, Unrolled

Examples = Sequence[tuple[Tensor, np.ndarray]]  # targets (batch, stem, channel, time), owners (batch, stem)


@dataclass(frozen=True, eq=False)
class Point:
    training: Unrolled
    parameters: Tensor  # (parameter,)
    statistics: Tensor  # (statistic,) of the batch norms

    @classmethod
    def end_of(cls, training: Unrolled, state: State) -> Point:
        """Where a training led to: the averaged weights."""
        return cls(training, state.average, state.statistics)

    def losses(self, targets: Tensor) -> Function:
        """Parameters -> ``(batch, stem)`` losses of ``(batch, stem, channel, time)``."""
        heard = losses_at(self.training.network, targets.sum(dim=1), targets[:, : len(self.training.network.stems)])
        return lambda parameters: heard(self.training.evaluated(parameters, self.statistics))

    def outputs(self, targets: Tensor) -> Function:
        """Parameters -> ``(batch, stem, channel, bin, frame)`` magnitudes that the network gives of the mixture."""
        network, mixture = self.training.network, targets.sum(dim=1)

        def given(parameters: Tensor) -> Tensor:
            with differentiable(network):
                return functional_call(network, self.training.evaluated(parameters, self.statistics), (mixture,))

        return given


def alignment(point: Point, examples: Examples, vectors: Sequence[Tensor], stems: int) -> np.ndarray:
    """⟨g_i, v⟩ of each stem's loss gradient with each vector, a mean over its draws: float64 ``(vector, stem)``.

    NaN for a stem that was not drawn.
    """
    with step_by_step():
        found = [along(point.losses(targets), point.parameters, vectors).cpu().numpy() for targets, _ in examples]
    return mean_by_stem(found, [owners for _, owners in examples], stems)


def gradients(point: Point, targets: Tensor) -> Iterator[Tensor]:
    """The gradient ``(parameter,)`` of each loss of a batch, in the order of its flattened ``(batch, stem)``."""
    leaf = point.parameters.detach().requires_grad_()
    for loss in point.losses(targets)(leaf).flatten():
        yield torch.autograd.grad(loss, leaf, retain_graph=True)[0]


def mean_by_stem(values: Sequence[np.ndarray], owners: Sequence[np.ndarray], stems: int) -> np.ndarray:
    """Means over draws, float64 ``(…, stem)``, of batches of ``(…, batch, stem)`` with their owners; -1 owns nothing."""
    whose = np.concatenate([each[:, : value.shape[-1]].ravel() for each, value in zip(owners, values, strict=True)])
    flat = np.concatenate([value.reshape(*value.shape[:-2], -1) for value in values], axis=-1).astype(float)
    known = whose >= 0
    counts = np.bincount(whose[known], minlength=stems)
    sums = np.apply_along_axis(lambda row: np.bincount(whose[known], row[known], stems), -1, flat)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
