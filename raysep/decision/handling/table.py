"""Every column of a decision table at its word: what a training by a table that a person may have edited goes by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from raysep.decision.handling.base import Decision, Handling, named
from raysep.training.entry import Entry

if TYPE_CHECKING:
    from raysep.corpus.manifest import Stem


def table(decision: Decision, stems: Iterable[Stem]) -> list[Entry]:
    return [
        Entry(stem, row["weight"], row.get("spans", ()))
        for stem, row in named(decision, stems)
        if row["keep"] and row["weight"] != 0
    ]


TABLE = Handling("table", "what is kept is drawn by its weight and without its spans, the rest is left out", table)
