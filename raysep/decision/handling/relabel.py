"""A removed stem that belongs to another label is used under it: good audio under a wrong name is not lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from raysep.decision.handling.base import Decision, Handling, named
from raysep.training.entry import Entry

if TYPE_CHECKING:
    from raysep.corpus.manifest import Stem


def relabel(decision: Decision, stems: Iterable[Stem]) -> list[Entry]:
    return [
        Entry(stem, label="" if row["keep"] else row["label"])
        for stem, row in named(decision, stems)
        if row["keep"] or belongs_elsewhere(stem, row)
    ]


def belongs_elsewhere(stem: Stem, row: Mapping[str, Any]) -> bool:
    return bool(row.get("label")) and row["label"] != stem.stem


RELABEL = Handling(
    "relabel", "what is not kept is used under the label that it belongs to, where it has one, else left out", relabel
)
