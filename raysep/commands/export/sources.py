"""What is to be exported: the stems of a run or of a manifest, as a decision uses them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from raysep.corpus import manifest, outputs, storage
from raysep.corpus.manifest import Stem
from raysep.corpus.moved import MOVED, SCAN, refuse_gone
from raysep.corpus.names import unmatched
from raysep.decision import handling as handlings
from raysep.decision.handling import Entry
from raysep.decision.handling.reading import read_decision
from raysep.decision.handling.restore import refuse_gone as restored_gone
from raysep.errors import BadInput
from raysep.rundir import Run, existing


@dataclass(frozen=True)
class Source:
    """The entries that are used, and where they come from."""

    entries: list[Entry]
    labels: tuple[str, ...]  # of all stems, used or not
    stems: int  # how many there are, used or not
    roots: tuple[str, ...]  # folders that nothing may be written to
    notes: list[str] = field(default_factory=list)


def read(source: str, decision: str | None = None, handling: str | None = None) -> Source:
    """Raises ``BadInput`` for what is neither a run that has decided nor a manifest, and when nothing of it is used."""
    uri = storage.absolute(source)
    run: Run | None = None
    if uri.endswith(".parquet"):
        stems, roots, chosen = manifest.read(uri), [], decision
        handled = handling or "table"
        if handling and not decision:
            raise BadInput(f"--handling {handling}: acts on a decision: give --decision too, or export the run itself")
    else:
        run = existing(source, "manifest.parquet", *([] if decision else ["decision.parquet"]))
        record = run.read_json("run.json")
        stems, chosen = manifest.read(run.path("manifest.parquet")), decision or run.path("decision.parquet")
        roots = [storage.absolute(record["corpus"])] if record.get("corpus") else []
        handled = handling or record["config"]["decision"]["handling"]
    if not stems:
        raise BadInput(f"{source}: the manifest is empty")
    rows: handlings.Decision = read_decision(chosen, run) if chosen else {}
    entries = _entries(stems, rows, handled) if chosen else [Entry(stem) for stem in stems]
    refuse_gone(stems, source, SCAN if uri.endswith(".parquet") else MOVED)
    if not entries:
        raise BadInput(f"{source}: none of its {len(stems)} stems is used; another decision or --handling keeps more")
    others = handlings.unlike(entries, stems)
    restored_gone(others, decision or source)
    roots += [*_folders(stems), *_restored(others)]
    return Source(
        entries,
        _ordered(stems, entries),
        len(stems),
        tuple({root for root in roots if not root.endswith(".parquet")}),
        list(
            filter(
                None,
                (
                    *(_strangers(rows, stems) if chosen else ()),
                    handlings.relabelled(entries),
                    handlings.spared(entries, rows),
                    handlings.in_place_of(others),
                ),
            )
        ),
    )


def _strangers(rows: handlings.Decision, stems: Sequence[Stem]) -> tuple[str, str]:
    """What to say of stems that only one of the decision and the manifest names."""
    there = {stem.stem_id: stem for stem in stems}
    return (
        unmatched(rows, there, "the decision", "the manifest"),
        unmatched(there, rows, "the manifest", "the decision: they are left out"),
    )


def _entries(stems: Sequence[Stem], decision: handlings.Decision, handled: str) -> list[Entry]:
    return [entry for entry in handlings.use(handled, decision, stems) if entry.weight > 0]


def _ordered(stems: Iterable[Stem], entries: Iterable[Entry]) -> tuple[str, ...]:
    return tuple(sorted({stem.stem for stem in stems} | {entry.label for entry in entries}))


def _restored(entries: Iterable[Entry]) -> set[str]:
    """The folders of a run that restored stems lie in, as ``TRACK/LABEL.wav``."""
    return {entry.stem.uri.removesuffix(f"/{entry.stem.stem_id}.wav") for entry in entries}


def _folders(stems: Iterable[Stem]) -> set[str]:
    """The folder that all files of a disk or a bucket have in common; where that is all of it, each file's own."""
    found: set[str] = set()
    stores: dict[str, set[str]] = {}
    for stem in stems:
        store = "/".join(stem.uri.split("/", 3)[:3]) if storage.is_remote(stem.uri) else ""
        stores.setdefault(store, set()).add(stem.uri.rpartition("/")[0])
    for store, folders in stores.items():
        common = _common(folders)
        found |= {common} if len(common) > len(store) else folders
    return found


def _common(folders: Iterable[str]) -> str:
    parts = [folder.split("/") for folder in folders]
    first, last = min(parts), max(parts)
    same = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return "/".join(first[:same])


def check_apart(to: str, source: Source, file: bool) -> None:
    """Raise ``BadInput`` for a destination inside the source's folders, and for a folder around one of them."""
    for root in source.roots:
        if outputs.below(to, root) or (not file and outputs.below(root, to)):
            raise BadInput(
                f"--to {to}: inside, around or the same as {root}, where the stems lie; the source is never written: give a "
                "place of its own"
            )
