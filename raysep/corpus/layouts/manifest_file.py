"""A manifest (``*.parquet``), as `raysep scan` and every run write them: the rows are there already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from raysep.corpus import identity, manifest, tags
from raysep.corpus.layouts import remarks
from raysep.corpus.layouts.headers import header
from raysep.corpus.layouts.layout import Layout, Place, Scan
from raysep.corpus.layouts.limit import first_of
from raysep.corpus.layouts.notes import Note
from raysep.corpus.layouts.problems import Problem
from raysep.corpus.manifest import Stem
from raysep.corpus.moved import SCAN, refuse_gone
from raysep.corpus.tags import is_changed, is_known
from raysep.corpus.threads import in_threads


class ManifestFile(Layout):
    """It names its labels itself, and its rows keep the split they have."""

    as_given = True

    def matches(self, place: Place) -> bool:
        return place.is_manifest

    def scan(self, place: Place) -> Scan:
        meant = _meant(place)
        rows = [s for s in manifest.read(place.root) if meant is None or s.stem in meant]
        kept, told = first_of((s.track for s in rows), place.limit)
        rows, notes = as_they_are(place, [s for s in rows if s.track in kept])
        stems = _summed(rows, meant) if place.sums and meant else rows
        return Scan(stems, _problems(place, stems) if place.strict else [], [*told, *notes])


def _meant(place: Place) -> dict[str, str] | None:
    """Name of a row → the label that it counts for, with sums that of several names; None: all, as they are."""
    if place.sums:
        return {name: label for label in place.wanted for name in place.naming.parts(label)}
    return None if place.labels is None else {label: label for label in place.labels}


def _summed(rows: Sequence[Stem], meant: Mapping[str, str]) -> list[Stem]:
    """A row for each label of a track, in their order."""
    groups: dict[tuple[str, str], list[Stem]] = defaultdict(list)
    for stem in rows:
        groups[stem.track, meant[stem.stem]].append(stem)
    return [manifest.summed(track, label, members) for (track, label), members in groups.items()]


def as_they_are(place: Place, stems: Sequence[Stem]) -> tuple[list[Stem], list[Note]]:
    """The rows, with ``tags.CHANGED`` in those whose files hold other bytes than when they were written.

    A file that has the same size and time is taken to be the same; the others are read. Rows that do not say what
    the bytes were get a hash of what they are, which is said once. Raises ``BadInput`` when none of the files is there.
    """
    touched = [
        stem for stem, same in zip(stems, identity.untouched(stems), strict=True) if not (same and is_known(stem.etag))
    ]
    if len(touched) == len(stems):
        refuse_gone(stems, place.uri, SCAN)
    contents = in_threads(_content, touched, place.threads)
    now = dict(zip((stem.uris for stem in touched), contents, strict=True))
    unknown = [stem.uri for stem in touched if stem.frames and now[stem.uris] and not is_known(stem.etag)]
    return [_told(stem, now.get(stem.uris, "")) for stem in stems], _unknown(unknown, len(stems))


def _unknown(uris: Sequence[str], of: int) -> list[Note]:
    if not uris:
        return []
    text = (
        f"{len(uris)} of {of} rows do not say what all bytes of their file are, first {uris[0]}; they were hashed as "
        "they are now, and what changed since the manifest was written is not noticed: scan again"
    )
    return [Note("unknown-content", len(uris), uris[0], text)]


def _content(stem: Stem) -> str:
    try:
        return identity.of_files(stem)
    except OSError:
        return ""  # whoever reads it will say so


def _told(stem: Stem, content: str) -> Stem:
    if not content or content == stem.etag:
        return stem
    return replace(stem, etag=tags.CHANGED + content if is_known(stem.etag) else content)


def _problems(place: Place, stems: Sequence[Stem]) -> list[Problem]:
    """What would be a problem in folders, too: a file that is not what its row says, a stem with two rows."""
    told = in_threads(_what_is_wrong, stems, place.threads)
    wrong = [Problem(s.track, s.stem, s.uri, text, True) for s, text in zip(stems, told, strict=True) if text]
    return sorted(remarks.twins(place.uri, stems) + wrong)


def _what_is_wrong(stem: Stem) -> str:
    """Of its files, in words; nothing when they are as its row says."""
    if stem.problem:
        return stem.problem
    told = [header(uri, hashed=False) for uri in stem.uris]
    if message := next((message for _, _, message in told if message), ""):
        return message
    # A part's own length and rate are not in the row: of it only whether it can be read, and its content.
    said, info = (stem.sample_rate, stem.channels, stem.frames - stem.padding), told[0][0]
    other = not stem.parts and info and (info.sample_rate, info.channels, info.frames) != said
    if other or is_changed(stem.etag):
        return f"{stem.uri}: is not what the manifest says; the file changed since the scan: scan again"
    return ""
