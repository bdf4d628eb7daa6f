"""Two filters of the SDX'23 winners: does the separator agree with the label?

Self-consistency (first place, label noise): a clean stem fed in alone comes out whole in its own slot. Agreement
(second place): what the separator extracts from the mixture matches the stem. Both read no reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from raysep.probes.probe import Probe
from raysep.probes.readings import DELTA, Output, Reading, Readings, energies

if TYPE_CHECKING:
    from torch import Tensor

    from raysep.separators.base import Separator

MOST_DB = 100.0


def self_consistency(network: Separator, stem_segments: Tensor, label: str) -> Tensor:
    """``(batch,)`` dB by which the label's own output exceeds the loudest other; higher = cleaner.

    The stem ``(batch, channel, time)`` goes in alone. Raises ``ValueError`` when the network has no such label.
    """
    import torch

    if label not in network.stems:
        raise ValueError(f"label {label!r}: the network separates {', '.join(network.stems)}")
    with torch.no_grad():
        return own_excess(network(stem_segments), network.stems.index(label))


def own_excess(estimates: Tensor, index: int | Tensor) -> Tensor:
    """``(batch,)`` dB of magnitudes ``(batch, stem, channel, bin, frame)``; ``index`` is one stem, or one per item."""
    return _excess_of(energies(estimates, keep=2), index)


def _excess_of(power: Tensor, index: int | Tensor) -> Tensor:
    """The same of the powers ``(batch, stem)``."""
    import torch

    own = torch.zeros_like(power, dtype=torch.bool)
    own[torch.arange(len(power)), index] = True
    others = power.masked_fill(own, -torch.inf).amax(dim=1)
    return 10.0 * torch.log10((power[own] + DELTA) / (others.clamp_min(0.0) + DELTA))


def agreement(estimate: Tensor, target: Tensor) -> Tensor:
    """``(batch,)`` signal-to-distortion ratio of ``estimate`` against ``target`` in dB; higher = cleaner.

    Any equal shapes ``(batch, …)``: samples or magnitudes. Limited to ±100 dB.
    """
    import torch

    ratio = (energies(target) + DELTA) / (energies(estimate - target) + DELTA)
    return (10.0 * torch.log10(ratio)).clamp(-MOST_DB, MOST_DB)


# As probes --------------------------------------------------------------------------------------------------------


def _agreement(output: Output) -> Tensor:
    return agreement(output.own, output.target)


def _own_excess(output: Output) -> Tensor:
    return _excess_of(output.powers, output.index)


def _each_network(name: str, context: str, source: str, reading: Reading) -> tuple[Probe, ...]:
    """The reading as it is, of three networks."""

    def entry(network: str) -> Probe:
        def formula(read: Readings) -> np.ndarray:
            return read.of(network)

        suffix = "" if network == "final" else f"-{network}"
        return Probe(name + suffix, context, (network,), True, source, formula, reading)

    return tuple(entry(network) for network in ("final", "early", "reference"))


PROBES = (
    *_each_network("agreement", "clean", "SDX'23 second place on label noise (arXiv 2308.06979)", _agreement),
    *_each_network("self-consistency", "alone", "SDX'23 first place on label noise (arXiv 2308.06979)", _own_excess),
)
