"""The one door from a place to its stems: ``stems_of``, by the layout that matches.

A layout is one of ``LAYOUTS``, or the import path ``package.module:Class`` of a ``Layout`` of the user's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from raysep.corpus import manifest
from raysep.corpus.layouts import lengths, remarks, splits
from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.layout import LABELS, Found, Layout, NoTracks, Place, Scan
from raysep.corpus.layouts.limit import limited
from raysep.corpus.layouts.notes import Note, said
from raysep.corpus.layouts.problems import Problem, describe
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput
from raysep.imports import registered

__all__ = [
    "LABELS",
    "LAYOUTS",
    "File",
    "Found",
    "Layout",
    "Note",
    "Place",
    "Problem",
    "Scan",
    "describe",
    "find_layout",
    "stems_of",
]

LAYOUTS: dict[str, str] = {  # in the order they are tried; as text: a layout's module is imported when it is used
    "list": "raysep.corpus.layouts.list_file:ListFile",
    "manifest": "raysep.corpus.layouts.manifest_file:ManifestFile",
    "moisesdb": "raysep.corpus.layouts.moisesdb:MoisesDB",
    "slakh": "raysep.corpus.layouts.slakh:Slakh",
    "stem-mp4": "raysep.corpus.layouts.stem_mp4:StemMp4",
    "msst2": "raysep.corpus.layouts.stem_folders:Pool",
    "stem-folders": "raysep.corpus.layouts.stem_folders:StemFolders",
    "songs": "raysep.corpus.layouts.songs:Songs",
    "musdb": "raysep.corpus.layouts.musdb:Musdb",
}
# What is laid out alike under other names: MSST's types but 2 and 3 are folders of tracks, its type 3 is a list. Type 5 cuts
# them into chunks while it reads, type 7 lets stems be missing.
ALSO = {
    **dict.fromkeys(("musdb18hq", "sdxdb23", "msst1", "msst4", "msst5", "msst6", "msst7"), "musdb"),
    "musdb18": "stem-mp4",
    "msst3": "list",
}


CATCH_ALL = ("songs", "musdb")  # they fit what nothing is known of


def stems_of(
    place: str | os.PathLike[str],
    labels: Sequence[str] | None = None,
    *,
    usual: Sequence[str] = LABELS,
    sums: Mapping[str, tuple[str, ...]] | None = None,
    split: str = "train",
    asked_split: str | None = None,
    on_problem: str = "raise",
    layout: str | None = None,
    songs: bool = False,
    threads: int = 16,
    say: Callable[[str], None] = lambda text: None,
    known: Sequence[Stem] = (),
    limit: int | None = None,
) -> Scan:
    """Every stem of a place, local or ``s3://``: folders of tracks, a manifest, or what an own layout reads.

    ``labels``: only these; None: those that the place itself names (a manifest does), else the ``usual`` ones. ``sums``:
    label → the names of the files whose sum it is. A track need not have all of them.
    ``split`` is the folder that is read where there are split folders, and the name recorded for stems found in folders;
    ``asked_split``: the same where somebody asked for it, so that it is said when the place has no such folder.
    ``on_problem``: ``"raise"`` raises ``BadInput`` for any problem (listing up to ten of them), ``"keep"`` does so
    too except for files that cannot be read as audio and tracks whose stems differ in length, which stay as rows that
    fail, ``"collect"`` returns all problems.
    ``layout`` is tried first, by name or import path; ``songs``: a folder of songs without stems will do, too.
    ``say`` is given one line with all that was passed over, changed or guessed.
    ``known`` are rows of an earlier scan: files that have not changed since are not read again. ``limit``: only the first
    so many tracks, in the order of their names.
    A folder that does not exist or holds no track always raises.
    """
    if on_problem not in ("raise", "keep", "collect"):
        raise ValueError(f"on_problem={on_problem!r}: raise, keep or collect")
    place = os.fspath(place)
    asked = None if labels is None else tuple(labels)
    strict, added = on_problem == "raise", dict(sums or {})
    split = split if asked_split is None else asked_split
    where = Place(place, asked, tuple(usual), split, strict, threads, added, tuple(known), limit)
    found, as_given = _scan(where, layout, songs)
    found = limited(found, limit)
    if asked_split is not None:
        found = replace(found, notes=[*found.notes, *splits.unsplit(where.root, split, found.stems)])
    if not as_given:
        found = replace(found, problems=[*found.problems, *remarks.twins(place, found.stems)])
    found = _settled(found, where, on_problem == "collect")
    fatal = [p for p in found.problems if on_problem == "raise" or (on_problem == "keep" and not p.unreadable)]
    if fatal:
        raise BadInput(describe(place, fatal))
    if found.notes:
        say(f"note: {said(place, found.notes)}")
    return found


def _scan(place: Place, asked: str | None, songs: bool) -> tuple[Scan, bool]:
    """What a layout finds, and whether its rows are as they were given."""
    layout = layout_of(place, asked, songs)
    try:
        found = layout.scan(place)
    except NoTracks as error:
        fitting = [name for name in LAYOUTS if name not in CATCH_ALL and find_layout(name).fits(place)]
        hint = f"; it looks like {' or '.join(fitting)}: use --layout {fitting[0]}" if fitting else ""
        raise BadInput(f"{error}{hint}") from None
    if not (found.stems or found.problems or layout.as_given):
        raise BadInput(f"{place.uri}: the layout {asked or type(layout).__name__} finds no stems in it")
    if asked and not isinstance(layout, type(find_layout(asked))):
        text = f"not laid out as {asked}, and read as ever"
        found = replace(found, notes=[Note("other-layout", 1, place.uri, text), *found.notes])
    return found, layout.as_given


def layout_of(place: Place, asked: str | None, songs: bool) -> Layout:
    if asked and (layout := find_layout(asked)).fits(place):
        return layout
    known = (find_layout(name) for name in LAYOUTS if songs or name != "songs")
    return next(one for one in known if one.matches(place))  # the last one matches everything


def _settled(found: Scan, place: Place, as_it_is: bool) -> Scan:
    """What goes for any layout: one length within a track, one stem of a name, and what is to be said.

    ``as_it_is``: lengths that differ are told, but changed in nothing.
    """
    uneven = lengths.uneven(found.stems)
    problems = sorted([*found.problems, *uneven])
    if as_it_is:
        there = remarks.missing(found.stems, manifest.labels_of(found.stems))
        return replace(found, problems=problems, notes=[*place.listed, *found.notes, *there])
    stems = lengths.padded(found.stems)
    named = place.labels or manifest.labels_of(stems) if place.is_manifest else place.wanted
    notes = [
        *place.listed,
        *found.notes,
        *remarks.missing(stems, named),
        *remarks.by_case(stems),
        *remarks.equal(stems),
        *lengths.length_notes(found.stems, stems, uneven),
    ]
    return Scan(lengths.unusable(stems, uneven), problems, notes)


def find_layout(name: str) -> Layout:
    """The layout of a name or an import path.

    Raises ``BadInput`` for a name that is not known and for a path that does not lead to a ``Layout``.
    """
    found = registered("layout", ALSO.get(name, name), LAYOUTS, "a class of your own as package.module:Class")
    if not (isinstance(found, type) and issubclass(found, Layout)):
        raise BadInput(f"layout {name!r}: not a subclass of raysep.corpus.layouts.Layout")
    return found()
