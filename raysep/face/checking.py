"""What is wrong with a corpus that can be told at once: `raysep check` in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raysep.face.results import Folder, Place, at, failures_told, where

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Checkup(Folder):
    """What ``check`` found."""

    @property
    def found(self) -> pa.Table:
        """A row for each thing found: level (fault or note), what, role, track, stem, words, value, threshold, other, uri."""
        return self.table("check.parquet")

    @property
    def stems(self) -> pa.Table:
        """A row for each file: its measures, and how unusual it sounds (a ranking, not a verdict)."""
        return self.table("stems.parquet")

    @property
    def unique(self) -> pa.Table:
        """The corpus's manifest with each song once. Raises ``BadInput`` when ``unique`` was not asked for."""
        return self.table("unique.parquet")

    def _said(self) -> list[str]:
        levels = self.found["level"].to_pylist()
        return [f"{levels.count('fault')} faults, {levels.count('note')} notes in {self.stems.num_rows} files"]


def check(
    corpus: Place,
    out: Place,
    *,
    reference: Place | None = None,
    test: Place | None = None,
    labels: Sequence[str] | None = None,
    split: str | None = None,
    layout: str | None = None,
    limit: int | None = None,
    unique: bool = False,
    no_sound: bool = False,
    csv: Place | None = None,
    json: Place | None = None,
    workers: int | str | None = None,
    address: str | None = None,
    quiet: bool = False,
) -> Checkup:
    """Look a corpus over before anything is trained: broken, clipped, inverted, cut-off, doubled or leaked stems.

    The same call looks only at files that changed. When faults were found, a warning says so. Raises ``BadInput`` when there
    is nothing to look at, ``RunConflict`` when ``out`` holds something else. ``raysep check --help`` tells what each
    argument means.
    """
    from raysep.commands.check import check as command

    request = command.CheckRequest(
        corpus=at(corpus),
        out=at(out),
        reference=at(reference),
        test=at(test),
        labels=tuple(labels) if labels else None,
        split=split,
        layout=layout,
        limit=limit,
        unique=unique,
        sound=not no_sound,
        csv=at(csv),
        json=at(json),
        workers=workers,
        address=address,
        quiet=quiet,
    )
    with failures_told():
        command.check(request)
    return Checkup(where(out))
