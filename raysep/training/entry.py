"""A stem as training uses it: under which label, how often, and without which spans."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raysep.corpus.manifest import Stem

Spans = tuple[tuple[float, float], ...]  # (start, stop) in seconds


@dataclass(frozen=True, order=True, slots=True)
class Entry:
    """A stem to train on, and how."""

    stem: Stem
    weight: float = 1.0  # how often it is drawn, relative to the others of its label; 0 = never
    spans: Spans = ()  # audio that is not to be used
    label: str = ""  # what it is used as; "" becomes the stem's own

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.stem.stem)

    @property
    def used(self) -> Stem:
        """The stem under the label that it is used as: the row of a manifest."""
        return self.stem if self.label == self.stem.stem else replace(self.stem, stem=self.label)


def whole(stems: Iterable[Stem]) -> list[Entry]:
    """All of them used alike, from beginning to end."""
    return [Entry(stem) for stem in stems]
