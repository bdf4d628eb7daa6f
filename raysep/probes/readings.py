"""What networks say of segments: one network's output for a batch of them, and the readings of a whole track."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # whoever reads the settings, and so which probes there may be, needs neither
    import numpy as np
    from torch import Tensor

    from raysep.errors import BadInput


DELTA = 1e-10  # power per element: keeps silence finite


@dataclass(frozen=True)
class Output:
    """What a network made of a batch of segments in one context."""

    estimates: Tensor  # (batch, stem, channel, bin, frame) magnitudes of all stems
    target: Tensor  # (batch, channel, bin, frame) magnitudes of the segment itself
    index: Tensor  # (batch,) which of the stems the segment is

    @cached_property
    def own(self) -> Tensor:
        """``(batch, channel, bin, frame)``: the estimate of the segment's own stem."""
        import torch

        return self.estimates[torch.arange(len(self.index)), self.index]

    @cached_property
    def powers(self) -> Tensor:
        """``(batch, stem)`` float64: the mean square of each stem's estimate."""
        return energies(self.estimates, keep=2)

    @cached_property
    def target_power(self) -> Tensor:
        """``(batch,)`` float64: the mean square of the segment."""
        return energies(self.target)


# → (batch,), or (batch, stem) of those in ``likeness.WIDE``
Reading = Callable[[Output], "Tensor"]  # taken while the output is in memory, at most once


def loss(output: Output) -> Tensor:
    """``(batch,)`` float64: the loss L(z, θ), as the magnitude networks train. In own context see ``contexts.own``."""
    import torch

    from raysep.training.loss import magnitude_mse

    return magnitude_mse(output.own, output.target, torch.float64)


def energies(values: Tensor, keep: int = 1) -> Tensor:
    """Mean square over all but the first ``keep`` dimensions.

    Summed over the last dimension (frames, samples) in float64, over those before it in the values' own type: all in
    float64 takes three times as long, for decibels that differ in the sixth digit.
    """
    import torch

    power = values.square()
    if power.ndim > keep + 1:
        power = power.mean(dim=tuple(range(keep, power.ndim - 1)))
    return power.mean(dim=-1, dtype=torch.float64)


Taken = dict[tuple[str, str, Reading], "np.ndarray"]  # context, network, reading → (label, segment) float64


class Declared(Protocol):
    """What readings must know of the probe that they are given to: see ``probe.Probe``."""

    @property
    def context(self) -> str: ...

    @property
    def networks(self) -> tuple[str, ...]: ...

    @property
    def reading(self) -> Reading: ...

    def refuse(self, asked: str) -> BadInput: ...


class Ranks(Protocol):
    """What scores the τ of many reference tracks: see ``per_track.PerTrack``."""

    def score(self, tau: np.ndarray, labels: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True)
class Readings:
    """What the formula of a probe is given of a track: the readings of the networks that it declares."""

    probe: Declared
    taken: Mapping[tuple[str, str, Reading], np.ndarray]
    labels: tuple[str, ...]  # of the first dimension
    rho: float  # relative step between ``plus`` and ``minus``
    unlearning_sign: float  # -1 where what was unlearned is known to be wrong: then the most affected are suspect
    per_track: Ranks | None = None

    def of(self, network: str) -> np.ndarray:
        """``(label, segment)`` float64, NaN where a segment is not read; ``(track, label, segment)`` of the networks of the
        reference tracks. Raises ``BadInput`` for a network that the probe does not declare.
        """
        if network not in self.probe.networks:
            raise self.probe.refuse(f"the network {network!r}")
        return self.taken[self.probe.context, network, self.probe.reading]

    def ranks(self, tau: np.ndarray) -> np.ndarray:
        """``(label, segment)`` mean ranks of ``tau (track, label, segment)`` among those of corpus segments."""
        if self.per_track is None:
            raise self.probe.refuse("the ranks of the reference tracks")
        return self.per_track.score(tau, self.labels)
