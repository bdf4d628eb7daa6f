"""Weights of stems that follow from what training with them does: descent on the reference loss by the metagradient.

Engstrom et al., "Optimizing ML training with metagradient descent" (arXiv 2503.13751): weights as parameters of training, the
loss on trusted data as what they are to lower. The reference is in two halves, one that is descended on and one that judges, and
every round trains with a seed of its own: what helps one seed or one half only is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

MOST = 2.0  # weight of a stem: as in training, 1 is as it is, 0 never
RATE = (
    1.0  # by which a weight changes in a round, at most; two such rounds did as well as any (docs/results/descent.md)
)
STRIDE = 0.6  # by which the vector of coefficients changes in a round


@dataclass(frozen=True, eq=False)
class Trial:
    """What one training with given weights said."""

    gradient: np.ndarray  # (stem,) of the loss on the half that is descended on, by the weights; positive = does harm
    judged: float  # loss on the half that judges


@dataclass(frozen=True, eq=False)
class Round:
    """Weights, and the loss on the judging half of a training with them."""

    weights: np.ndarray  # (stem,)
    judged: float


class Parameters(Protocol):
    """What is descended on, and how weights follow from it."""

    @property
    def weights(self) -> np.ndarray:
        """(stem,) from 0 to ``MOST``."""

    def moved(self, gradient: np.ndarray) -> Parameters:
        """A round further down the gradient ``(stem,)`` by the weights."""


@dataclass(frozen=True, eq=False)
class PerStem:
    """A weight for each stem: as many unknowns as stems, which a small reference is soon memorised by.

    A round moves each by ``rate · tanh(G / s)``, s the root mean square of G within the stem's label: a label with large
    losses must not be all that moves.
    """

    weights: np.ndarray  # (stem,)
    labels: np.ndarray  # (stem,)
    rate: float = RATE

    @classmethod
    def start(cls, labels: np.ndarray, rate: float = RATE) -> PerStem:
        return cls(np.ones(len(labels)), labels, rate)

    def moved(self, gradient: np.ndarray) -> PerStem:
        change = self.rate * np.tanh(scaled(gradient, self.labels))
        return replace(self, weights=np.clip(self.weights - change, 0.0, MOST))


@dataclass(frozen=True, eq=False)
class FromScores:
    """Weights as a function of the probes' scores, ``w = MOST · sigmoid(x · c)``: an unknown for each probe.

    x are the scores standardised within their label, 0 where there is none; c = 0 is weight 1 for all.
    """

    features: np.ndarray  # (stem, probe)
    labels: np.ndarray  # (stem,)
    coefficients: np.ndarray  # (probe,)

    @classmethod
    def start(cls, scores: np.ndarray, labels: np.ndarray) -> FromScores:
        """Of scores ``(stem, probe)``, NaN where there is none."""
        features = np.zeros_like(scores, dtype=float)
        for label in np.unique(labels):
            part = scores[labels == label].astype(float)
            known = np.isfinite(part)
            count = np.maximum(known.sum(axis=0), 1)
            centred = np.where(known, part - np.where(known, part, 0.0).sum(axis=0) / count, 0.0)
            spread = np.sqrt(np.square(centred).sum(axis=0) / count)
            features[labels == label] = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
        return cls(features, labels, np.zeros(scores.shape[1]))

    @property
    def weights(self) -> np.ndarray:
        return MOST / (1.0 + np.exp(-self.features @ self.coefficients))

    def moved(self, gradient: np.ndarray) -> FromScores:
        share = self.weights / MOST
        by_coefficient = self.features.T @ (scaled(gradient, self.labels) * MOST * share * (1.0 - share))
        norm = np.linalg.norm(by_coefficient)
        step = STRIDE / norm if norm else 0.0
        return FromScores(self.features, self.labels, self.coefficients - step * by_coefficient)


def scaled(gradient: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``(stem,)`` over its root mean square within each label; 0 where that is 0."""
    result = np.zeros(len(gradient))
    for label in np.unique(labels):
        part = gradient[labels == label]
        size = np.sqrt(np.square(part).mean())
        result[labels == label] = part / size if size else 0.0
    return result


def around_one(weights: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``(stem,)`` with a mean of 1 within each label: they are drawn as before, and say what a stem is beside its label's others."""
    result = weights.astype(float)
    for label in np.unique(labels):
        mean = result[labels == label].mean()
        result[labels == label] /= mean if mean else 1.0
    return result


def descend(
    start: Parameters,
    trial: Callable[[int, np.ndarray], Trial],
    rounds: int = 6,
    patience: int = 2,
    done: Sequence[Trial] = (),
    on_round: Callable[[int, Trial], None] | None = None,
) -> list[Round]:
    """The rounds in order, the first with the weights as they are; the one to use is ``best`` of them.

    ``trial(number, weights)`` trains with a seed that is this round's and says what came of it. After ``patience`` rounds
    without a lower loss on the judging half it ends. ``done`` are trials of a descent that was interrupted, which are not made
    again; ``on_round`` is given every new one to keep.
    """
    now, found = start, []
    for number in range(rounds + 1):
        weights = now.weights
        if number < len(done):
            told = done[number]
        else:
            told = trial(number, weights)
            if on_round:
                on_round(number, told)
        found.append(Round(weights, told.judged))
        if len(found) - 1 - found.index(best(found)) >= patience:
            break
        now = now.moved(told.gradient)
    return found


def best(rounds: Sequence[Round]) -> Round:
    """The one with the lowest loss on the judging half; of equal ones the earlier."""
    return min(rounds, key=lambda one: one.judged)
