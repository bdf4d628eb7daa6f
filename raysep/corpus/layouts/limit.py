"""The first tracks of a place alone, for a trial: before a file of the others is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from raysep.corpus.layouts.notes import Note

if TYPE_CHECKING:
    from raysep.corpus.layouts.layout import Scan


def first_of(tracks: Iterable[str], most: int | None) -> tuple[set[str], list[Note]]:
    """(the first ``most`` tracks in the order of their names, or all; what is to be said of it)."""
    names = sorted(set(tracks))
    kept = names[:most]
    if len(kept) == len(names):
        return set(kept), []
    text = f"the first {len(kept)} of {len(names)} tracks alone (--limit), up to {kept[-1]}"
    return set(kept), [Note("limit", len(names) - len(kept), names[len(kept)], text)]


def limited(found: Scan, most: int | None) -> Scan:
    """What goes beyond it left out: stems, where the layout did not do so itself, and problems of later tracks."""
    if most is None or not found.stems:
        return found
    kept, told = first_of((stem.track for stem in found.stems), most)
    last = max(kept)
    return replace(
        found,
        stems=[stem for stem in found.stems if stem.track in kept],
        problems=[problem for problem in found.problems if problem.track <= last],
        notes=[*told, *found.notes],
    )
