"""What is not kept is left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from raysep.decision.handling.base import Decision, Handling, named
from raysep.training.entry import Entry

if TYPE_CHECKING:
    from raysep.corpus.manifest import Stem


def drop(decision: Decision, stems: Iterable[Stem]) -> list[Entry]:
    return [Entry(stem) for stem, row in named(decision, stems) if row["keep"]]


DROP = Handling("drop", "what is not kept is left out, the rest is used alike", drop)
