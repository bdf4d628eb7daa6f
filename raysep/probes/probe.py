"""A probe: whatever gives a stem a score, and what the scoring pass must know to take it.

An entry says what its formula is given: the readings of its networks in one context, or the whole stem. The pass does what
the entries of a run declare and nothing else, so that an entry is all there is to a probe: see ``catalogue`` for ours, and
``scoring.probes`` for one of your own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from raysep.errors import BadInput
from raysep.probes.readings import Reading, loss

CONTEXTS = ("clean", "own", "alone", "stem")
PER_TRACK = "unlearned-per-track"  # a network for each reference track
# The unlearned weights go by two names: which context they are read in is decided by which is there.
NETWORKS = ("final", "early", "reference", "plus", "minus", "unlearned", "unlearned-clean")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# Columns of the tables that scores stand in, the fusion's name, and the arms of a proof.
TAKEN = frozenset(
    {
        "track",
        "fold",
        "stem",
        "segment",
        "start",
        "seconds",
        "outcome",
        "error",
        "message",
        "segments",
        "audible",
        "role",
        "kind",
    }
    | {
        "group",
        "fused",
        "contaminated",
        "cleaned",
        "weighted",
        "random",
        "reference",
        "clean",
        "oracle",
        "small-loss",
        "loss-truncation",
    }
    | {"like-final", "like-reference", "like-embedding", "gaps-by-second", "flat-by-second"}
)
STEMS = 4  # of a usual track, which share a pass in own context


@dataclass(frozen=True)
class Probe:
    """One score of a segment or of a whole stem; its column is called ``name``.

    Args:
        context: what the networks listen to: ``clean`` = the stem among clean reference stems of the other labels, ``own`` =
            among its own track's stems, ``alone`` = fed in by itself; or ``stem`` = the whole stem's samples, no separator.
        networks: those it reads, of ``NETWORKS`` and ``PER_TRACK``; none in context ``stem``. Without one of them in the kit
            the probe is not available.
        oriented: **higher = cleaner**; the others are only usual or unusual.
        source: where it comes from.
        formula: in context ``stem`` a number of a ``WholeStem``; else float64 ``(label, segment)`` of ``Readings``. It may
            ask for what is declared here, and is refused anything else.
        reading: what of each network's output the formula is given, a number for each segment.
        distances: whether it asks for the reference's embeddings; without a reference it is not available.

    Raises ``BadInput`` for an entry that no pass could take.
    """

    name: str
    context: str
    networks: tuple[str, ...]
    oriented: bool
    source: str
    formula: Callable[[Any], Any]
    reading: Reading = loss
    distances: bool = False

    def __post_init__(self) -> None:
        known = (*NETWORKS, PER_TRACK)
        whole = self.context == "stem"
        unknown = sorted(set(self.networks) - set(known))
        rules = [
            (NAME.fullmatch(self.name), "its name must be small letters and digits, words joined by hyphens"),
            (self.name not in TAKEN, "that name has another meaning in a run; choose another"),
            (self.context in CONTEXTS, f"context {self.context!r} must be one of {', '.join(CONTEXTS)}"),
            (not unknown, f"networks {', '.join(unknown)}: the pass knows {', '.join(known)}"),
            (bool(self.networks) != whole, "it must name its networks, and none in context stem"),
            (whole or not self.distances, "distances are read in context stem alone"),
            (all(map(callable, (self.formula, self.reading))), "formula and reading must be functions"),
            (self.source, "its source must say where it comes from"),
        ]
        for holds, wrong in rules:
            if not holds:
                raise BadInput(f"probe {self.name!r}: {wrong}")

    @property
    def passes(self) -> float:
        """Forward passes for a segment if it were the only probe; own context serves all stems of a track."""
        return len(self.networks) / (STEMS if self.context == "own" else 1)

    def available(self, networks: Collection[str], distances: bool) -> bool:
        """Whether a kit with these networks, and with a reference for distances or without, has what it declares."""
        return set(self.networks) <= set(networks) and (distances or not self.distances)

    def refuse(self, asked: str) -> BadInput:
        """What to raise when its formula asks for what the entry does not declare: never a silent NaN."""
        declared = ", ".join((*self.networks, *(["distances"] if self.distances else []))) or "none"
        return BadInput(
            f"probe {self.name!r}: its formula asks for {asked}, which it does not declare; declared: {declared}"
        )

    def about(self) -> dict[str, Any]:
        """The entry as the tables of a run describe it; JSON-able."""
        return {
            "name": self.name,
            "context": self.context,
            "checkpoint": "+".join(self.networks),
            "oriented": self.oriented,
            "passes": self.passes,
            "source": self.source,
        }
