"""Names of tracks and stems: one form of each, whatever file system or table it comes from."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable


def normal(name: str) -> str:
    """The name composed (NFC): macOS and some archives decompose "é" into two characters, and tables are joined by name."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """For comparing without regard to case."""
    return normal(name).casefold()


def unmatched(named: Iterable[str], there: Collection[str], by: str, place: str) -> str:
    """How many of the stems that a table names are not there, and the first one, in words; "" when all are."""
    names = list(named)
    lost = [name for name in names if name not in there]
    if not lost:
        return ""
    return f"{len(lost)} of {len(names)} stems named by {by} are not in {place}, first {lost[0]}"
