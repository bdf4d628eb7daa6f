"""What is to be said of the stems of any place, however they lie: what is missing, and which files are equal."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from raysep.corpus import manifest
from raysep.corpus.layouts.notes import Note, several
from raysep.corpus.layouts.problems import Problem
from raysep.corpus.manifest import Stem
from raysep.corpus.names import folded


def missing(stems: Iterable[Stem], labels: Sequence[str]) -> list[Note]:
    """Which labels no track has; how many tracks are single stems; how many of the others lack a stem."""
    tracks = manifest.tracks_of(stems)
    there = [label for label in labels if any(label in parts for parts in tracks.values())]
    notes = []
    if tracks and len(there) < len(labels):
        absent = ", ".join(label for label in labels if label not in there)
        notes.append(Note("no-label", len(labels) - len(there), absent, f"no track has {absent}"))
    single = [track for track, parts in tracks.items() if len(parts) == 1 < len(there)]
    if single:
        text = f"{several(len(single), 'track')} of one stem, first {single[0]}"
        notes.append(Note("single", len(single), single[0], text))
    lacking = {
        track: [label for label in there if label not in parts]
        for track, parts in tracks.items()
        if 1 < len(parts) < len(there)
    }
    if lacking:
        track, first = next(iter(lacking.items()))
        text = (
            f"{several(len(lacking), 'track')} without a stem of some label, first {track} without {', '.join(first)}"
        )
        notes.append(Note("missing", len(lacking), track, text))
    return notes


def equal_files(stems: Iterable[Stem]) -> list[list[Stem]]:
    """Stems of the same content, in groups of two or more; a file that could not be opened is in none."""
    groups: dict[tuple[int, str], list[Stem]] = defaultdict(list)
    for stem in sorted(stems):
        if stem.etag:
            groups[stem.bytes, stem.etag].append(stem)
    return [group for group in groups.values() if len(group) > 1]


def equal(stems: Iterable[Stem]) -> list[Note]:
    groups = equal_files(stems)
    if not groups:
        return []
    first, second = groups[0][:2]
    count = sum(map(len, groups))
    text = f"{count} stems are equal files (silence may be), first {first.stem_id} and {second.stem_id}"
    return [Note("equal", count, first.stem_id, text)]


def by_case(stems: Iterable[Stem]) -> list[Note]:
    """Tracks that differ in nothing but case: two for us, one for most disks of macOS and Windows."""
    groups: dict[str, list[str]] = defaultdict(list)
    for track in sorted({stem.track for stem in stems}):
        groups[folded(track)].append(track)
    alike = [group for group in groups.values() if len(group) > 1]
    if not alike:
        return []
    first, second = alike[0][:2]
    count = sum(map(len, alike))
    text = f"{count} tracks differ in case alone, which most disks of macOS and Windows do not tell apart, first {first} and {second}"
    return [Note("case", count, first, text)]


def twins(place: str, stems: Iterable[Stem]) -> list[Problem]:
    """Stems with more than one row."""
    rows = Counter((stem.track, stem.stem) for stem in stems)
    return [
        Problem(track, label, place, f"{place}: {count} stems are {label!r} of {track}; keep one of them")
        for (track, label), count in rows.items()
        if count > 1
    ]
