"""What keeps stems from being used as they are, and how a person is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN_PROBLEMS = 10


@dataclass(frozen=True, order=True)
class Problem:
    """Something that keeps a stem, or a track, from being used as it is."""

    track: str
    stem: str
    uri: str
    message: str  # names the path, the value and the remedy
    unreadable: bool = False  # the file is there but cannot be used: a row that fails, not a wrong layout


def describe(place: str, problems: Sequence[Problem]) -> str:
    """One message for all: their count, and the first ten."""
    lines = [f"{place}: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}"]
    lines += [f"  {problem.message}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"  … and {len(problems) - SHOWN_PROBLEMS} more")
    return "\n".join(lines)
