"""Labels as a user gives them: ``vocals,drums,guitar+piano=other``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from raysep.corpus.names import folded
from raysep.errors import BadInput

NO_NAME = re.compile(r"[/\\=;\x00-\x1f]")  # what stands in no label: it is a part of paths, and of tables


@dataclass(frozen=True)
class Labels:
    names: tuple[str, ...]
    sums: dict[str, tuple[str, ...]]  # label → the names whose stems are summed to it, where that is not its own alone


def parse(given: str | Sequence[str]) -> Labels:
    """Labels, in a list or with commas between; ``a+b=c`` is the sum of the stems ``a`` and ``b`` under the label ``c``.

    Raises ``BadInput`` for a label or a name that is given twice, in whatever case, and for what can be none.
    """
    text = given if isinstance(given, str) else ",".join(given)
    parts = [_one(part, text) for part in text.split(",")]
    for what, names in (
        ("the label", [label for label, _ in parts]),
        ("the stem", [name for _, own in parts for name in own]),
    ):
        if twice := [name for name, count in Counter(map(folded, names)).items() if count > 1]:
            raise BadInput(f"--labels {text}: gives {what} {twice[0]!r} twice; give each once")
    return Labels(tuple(label for label, _ in parts), {label: own for label, own in parts if own != (label,)})


def _one(part: str, text: str) -> tuple[str, tuple[str, ...]]:
    names, equals, label = (piece.strip() for piece in part.partition("="))
    own = tuple(name.strip() for name in names.split("+"))
    if (
        not all(own)
        or (equals and not label)
        or (not equals and len(own) > 1)
        or NO_NAME.search("".join((*own, label)))
    ):
        raise BadInput(f"--labels {text}: {part.strip()!r} is no label; write vocals,drums,guitar+piano=other")
    return (label or own[0]), own
