"""What the tests of the forms and of the export itself have in common."""

from __future__ import annotations

from pathlib import Path

from raysep.commands.export import export as stage
from raysep.commands.export import record

LABELS = ("bass", "drums", "other", "vocals")


def export(source, to, form, **options):
    return stage.export(stage.Request(str(source), str(to), form, quiet=True, **options))


def tree(folder) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*.*") if p.name != record.NAME)


def kept() -> list[str]:
    return [f"{t}/{k}.wav" for t in ("A", "B [live]", "C") for k in LABELS if (t, k) != ("A", "bass")]
