"""Names of tracks and stems: one form of each, whatever file system or table it comes from."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Iterable

MOST_BYTES = 255  # of a name, on every usual file system


def normal(name: str) -> str:
    """The name composed (NFC): macOS and some archives decompose "é" into two characters, and tables are joined by name."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """For comparing without regard to case."""
    return normal(name).casefold()


def fitting(path: str, most: int = MOST_BYTES) -> str:
    """The same path where each part fits a file system; of a part that does not, its beginning and a hash of all of it."""
    return "/".join(part if len(part.encode()) <= most else _cut(part, most) for part in path.split("/"))


def _cut(name: str, most: int) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name.encode()[: most - len(digest) - 1].decode(errors='ignore')}-{digest}"


def unmatched(named: Iterable[str], there: Collection[str], by: str, place: str) -> str:
    """How many of the stems that a table names are not there, and the first one, in words; "" when all are."""
    names = list(named)
    lost = [name for name in names if name not in there]
    if not lost:
        return ""
    return f"{len(lost)} of {len(names)} stems named by {by} are not in {place}, first {lost[0]}"
