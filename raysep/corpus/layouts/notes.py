"""What a place holds beside the stems that are used, or how they were taken: no errors, but said once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Note:
    """Something that was passed over, changed or guessed."""

    kind: str  # "link", "no-stems", "other-audio", …: the same for the same reason
    count: int  # of what the kind is about: links, folders, tracks
    first: str  # the first of them
    text: str  # all of it in words


def several(count: int, noun: str) -> str:
    """``1 link`` or ``2 links``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def stray(paths: Sequence[str], where: str) -> list[Note]:
    """Of audio that lies where the layout has no place for it, in path order."""
    if not paths:
        return []
    return [Note("stray", len(paths), paths[0], f"{several(len(paths), 'audio file')} {where}, first {paths[0]}")]


def said(place: str, notes: Sequence[Note]) -> str:
    """All of them in one line."""
    return f"{place}: " + "; ".join(note.text for note in notes)
