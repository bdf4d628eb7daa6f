"""Whatever brings most: a wrong label is put right, a harmless fault is kept, what was restored is used, the rest is left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from raysep.decision.handling.base import Decision, Handling, named
from raysep.decision.handling.relabel import belongs_elsewhere
from raysep.decision.handling.restore import restored_of, with_restored_of
from raysep.decision.handling.spare import harmless
from raysep.training.entry import Entry

if TYPE_CHECKING:
    from raysep.corpus.manifest import Stem


def auto(decision: Decision, stems: Iterable[Stem]) -> list[Entry]:
    entries = []
    for stem, row in named(decision, stems):
        if row["keep"]:
            entries.append(Entry(stem))
        elif belongs_elsewhere(stem, row):
            entries.append(Entry(stem, label=row["label"]))
        elif harmless(row):
            entries.append(Entry(stem))
        elif made := restored_of(stem, row):
            entries.append(Entry(made))
    return entries


AUTO = Handling(
    "auto",
    "what is not kept is used under the label that it belongs to, or as it is where its fault does no harm, or as `raysep restore` "
    "restored it, else left out",
    auto,
    find=with_restored_of,
)
