"""What is wrong but does no harm is kept: every stem that is left out is one less to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from raysep.decision.handling.base import Decision, Handling, named
from raysep.training.entry import Entry

if TYPE_CHECKING:
    from raysep.corpus.manifest import Stem

# Of the most harmful fault's harm. On rendered songs a fifth of the worst fault costs as much as leaving the stem out does.
HARMLESS = 0.2


def spare(decision: Decision, stems: Iterable[Stem]) -> list[Entry]:
    return [Entry(stem) for stem, row in named(decision, stems) if row["keep"] or harmless(row)]


def harmless(row: Mapping[str, Any]) -> bool:
    """Whether what is wrong with the stem is known to do next to no harm."""
    harm = row.get("harm")
    return harm is not None and harm < HARMLESS


SPARE = Handling("spare", "what is not kept is left out, unless what seems wrong with it does no harm", spare)
