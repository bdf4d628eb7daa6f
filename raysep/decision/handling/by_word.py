"""A person's word on a stem stands above every handling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from raysep.decision.handling.base import Decision
from raysep.training.entry import Entry

if TYPE_CHECKING:
    from raysep.corpus.manifest import Stem

KEEP, REMOVE = "keep", "remove"


def word_on(decision: Decision, stem: Stem) -> str | None:
    """keep, remove, or the label that it is to be used as; None where nothing was said, as in tables without the column."""
    return decision.get(stem.stem_id, {}).get("verdict") or None


def by_word(decision: Decision, stems: Iterable[Stem]) -> list[Entry]:
    """The entries of stems that something was said of: as a whole, and no less often than others."""
    words = [(stem, word_on(decision, stem)) for stem in stems]
    return [Entry(stem, label="" if word == KEEP else word or "") for stem, word in words if word != REMOVE]
