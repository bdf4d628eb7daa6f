"""Nothing is set aside: a stem is drawn the less often, the more suspect it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from raysep.decision.handling.base import Decision, Handling, named
from raysep.training.entry import Entry

if TYPE_CHECKING:
    from raysep.corpus.manifest import Stem


def weight(decision: Decision, stems: Iterable[Stem]) -> list[Entry]:
    return [Entry(stem, row["weight"]) for stem, row in named(decision, stems) if row["weight"] != 0]


WEIGHT = Handling("weight", "every stem is drawn by its weight, kept or not", weight)
