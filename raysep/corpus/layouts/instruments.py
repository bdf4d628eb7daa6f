"""Corpora that say of each stem which instrument it is: how many instruments become a few labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.layout import Found
from raysep.corpus.layouts.naming import Naming, other_names
from raysep.corpus.layouts.notes import Note

OTHER = "other"


@dataclass
class Instruments:
    """Which label each instrument goes to. One that is no label goes to ``other``, unless the user says what is summed."""

    naming: Naming
    summed: Counter[str] = field(default_factory=Counter)  # instrument → tracks in which it went to ``other``
    passed: Counter[str] = field(default_factory=Counter)  # … in which it was passed over

    def stems(
        self, track: str, held: Mapping[str, Sequence[File]], bleed: Mapping[str, bool | None] | None = None
    ) -> list[Found]:
        """The stems of one track: instrument → its files, and whether it bleeds by the corpus's own word."""
        files: dict[str, list[File]] = {}
        bleeding: dict[str, list[bool | None]] = {}
        for instrument in sorted(held):
            label = self._label_of(instrument)
            if label:
                files.setdefault(label, []).extend(held[instrument])
                bleeding.setdefault(label, []).append((bleed or {}).get(instrument))
        return [Found(track, label, each, _any(bleeding[label])) for label, each in files.items()]

    def notes(self) -> Iterable[Note]:
        if self.summed:
            names = _names(self.summed)
            text = f"{names} summed as {OTHER} (--labels takes them apart)"
            yield Note("summed", len(self.summed), min(self.summed), text)
        yield from other_names(self.passed, dict.fromkeys(self.passed, ""), self.naming)

    def _label_of(self, instrument: str) -> str | None:
        if meant := self.naming.of(instrument):
            return next(label for label in self.naming.labels if meant[0] in self.naming.parts(label))
        if OTHER in self.naming.labels and not self.naming.sums:
            self.summed[instrument] += 1
            return OTHER
        self.passed[instrument] += 1
        return None


def _names(counts: Counter[str]) -> str:
    """The commonest of them."""
    order = [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    return ", ".join(order[:4]) + (f" and {len(order) - 4} more" if len(order) > 4 else "")


def _any(values: Iterable[bool | None]) -> bool | None:
    known = [value for value in values if value is not None]
    return any(known) if known else None
