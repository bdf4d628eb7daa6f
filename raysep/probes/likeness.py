"""What a stem is like: evidence over all labels, not its own alone, taken in passing.

A probe asks whether a stem is what its label says; a likeness says what else it could be. It costs no forward pass: what
the networks put out of a segment fed in alone, and the embedded frames of a stem, are there already.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raysep.probes.readings import DELTA, Output, Reading

if TYPE_CHECKING:
    from torch import Tensor

LEAST_DB = -40.0  # of an output against what went in: below that it is silent, however much below


def levels(output: Output) -> Tensor:
    """``(batch, stem)`` dB by which each output's power exceeds the segment's; higher = more like that stem's label."""
    import torch

    given = output.target_power[:, None]
    return (10.0 * torch.log10((output.powers + DELTA) / (given + DELTA))).clamp_min(LEAST_DB)


@dataclass(frozen=True)
class Likeness:
    """One source of evidence; its column holds a number for each label, **higher = more like it**."""

    name: str
    about: str  # who says so, as a reason names it
    unit: str
    apart: (
        bool  # whether who says so never saw the corpus; a network that learned a stem by a wrong label leans to that
    )
    networks: tuple[str, ...] = ()  # the one that listens; none = the embedded frames
    context: str = "alone"
    reading: Reading = levels

    def available(self, networks: Collection[str], distances: bool) -> bool:
        """Whether a kit with these networks, and with a reference for distances or without, can tell it."""
        return set(self.networks) <= set(networks) if self.networks else distances


LIKENESSES: dict[str, Likeness] = {
    each.name: each
    for each in (
        Likeness("like-final", "the trained network", "dB", False, ("final",)),
        Likeness("like-reference", "the reference's network", "dB", True, ("reference",)),
        # Mean log density per frame and dimension: see ``fad.reference``.
        Likeness("like-embedding", "the embedding", "nats", True, context="stem"),
    )
}
WIDE = frozenset({levels})  # readings that give a number for each of the network's stems
