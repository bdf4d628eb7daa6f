"""Content tags: ``sha256:`` and the hash of all bytes of a file, ``#2`` after it for its stream 2.

That of a sum is the tags of its parts, in their order, with ``+`` between them; so a sum of sums has that of all parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

SHA256 = "sha256:"
CHANGED = "changed:"  # before it: of a row whose file holds other bytes by now. No file has it
AND = "+"


def of_bytes(data: bytes) -> str:
    return SHA256 + hashlib.sha256(data).hexdigest()


def numbered(tag: str, number: int | None) -> str:
    """Of one stream of the file with this tag; the file's own for None."""
    return f"{tag}#{number}" if tag and number is not None else tag


def joined(tags: Sequence[str]) -> str:
    """Of a sum; none when one of the parts has none, changed when one of them is."""
    if not all(tags):
        return ""
    return CHANGED * any(map(is_changed, tags)) + AND.join(tag.removeprefix(CHANGED) for tag in tags)


def split(tag: str) -> list[str]:
    """Those of the parts that a sum's was joined of."""
    return tag.removeprefix(CHANGED).split(AND)


def is_known(tag: str) -> bool:
    """Whether it says what all bytes are; older manifests, and those of others, hold something else."""
    return all(part.startswith(SHA256) for part in split(tag))


def is_changed(tag: str) -> bool:
    return tag.startswith(CHANGED)
