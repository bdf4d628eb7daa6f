"""A list of files: CSV or Parquet, a row per file with its label and its path, and the track where there is a column for it.

    instrum,path                     type 3 of the Music-Source-Separation-Training repository (MSST)
    vocals,/data/pool/one.wav
    track,stem,path                  with tracks
    Some Song,drums,songs/a/kick.wav

Without a column for it a file that is named as its label belongs to the track that its folder is; any other is a track of
its own. Paths are absolute, URIs, or below the list's own folder. Several files of one label and track are summed; a file
that is listed again is none more.
"""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from raysep.corpus import identity, sheets, storage
from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.layout import Found, Layout, Place, Scan
from raysep.corpus.layouts.naming import Naming, checked, other_names
from raysep.corpus.layouts.notes import Note, several
from raysep.corpus.names import folded, normal
from raysep.errors import BadInput

LABEL = ("instrum", "instrument", "stem", "label")
PATH = ("path", "uri", "file", "filename")
TRACK = ("track", "song", "title")


class ListFile(Layout):
    def matches(self, place: Place) -> bool:
        """A ``.csv``, or a ``.parquet`` that has a column of paths and is no manifest."""
        if not place.is_file:
            return False
        if not place.is_manifest:
            return True
        names = _columns_of(place.root)
        return "stem_id" not in names and _one_of(PATH, names) is not None

    def scan(self, place: Place) -> Scan:
        naming = checked(place.naming)
        rows = _rows(place)
        told = identity.sizes_and_times(uri for _, _, uri in rows)
        top = storage.folder_above([uri for _, _, uri in rows])
        groups: dict[tuple[str, str], dict[str, File]] = defaultdict(dict)
        again: list[str] = []
        strange: Counter[str] = Counter()
        for track, label, uri in rows:
            meant = naming.of(label)
            if meant is None:
                strange[label] += 1
                continue
            known = next(each for each in naming.labels if meant[0] in naming.parts(each))
            files = groups[track or _track_of(uri, top, meant[0], naming), known]
            again += [uri] if uri in files else []
            files[uri] = File(uri, told[uri][0], PurePosixPath(uri), told[uri][1])
        if not groups:
            names = ", ".join(sorted(strange)) or "no rows"
            raise BadInput(f"{place.uri}: lists no {', '.join(naming.names)} ({names}); name the labels with --labels")
        _refuse_none(place, told)
        sums = [key for key, files in groups.items() if len(files) > 1]
        return place.read(
            (Found(track, label, list(files.values())) for (track, label), files in groups.items()),
            [*_summed(sums), *_again(again), *other_names(strange, {}, naming)],
        )


def _summed(sums: Sequence[tuple[str, str]]) -> list[Note]:
    if not sums:
        return []
    first = "/".join(sums[0])
    return [Note("summed", len(sums), first, f"{len(sums)} stems are the sum of several files, first {first}")]


def _again(uris: Sequence[str]) -> list[Note]:
    if not uris:
        return []
    return [Note("again", len(uris), uris[0], f"{several(len(uris), 'row')} told before, first of {uris[0]}")]


def _refuse_none(place: Place, told: Mapping[str, tuple[int, int]]) -> None:
    """Raise ``BadInput`` when no file is there: then it is the paths that are meant in another way, and no file that is lost."""
    if told and not any(size or time for size, time in told.values()):
        raise BadInput(
            f"{place.uri}: none of its {several(len(told), 'file')} is there, first {next(iter(told))}; paths are absolute, URIs, "
            f"or below the list's own folder {posixpath.dirname(place.root)}, with / between folders"
        )


def _rows(place: Place) -> list[tuple[str, str, str]]:
    """(track or "", label, URI) of every row. Raises ``BadInput`` for what is no list, naming the columns it needs."""
    names, rows = _csv(place) if not place.is_manifest else _parquet(place)
    track, label, path = (_one_of(wanted, names) for wanted in (TRACK, LABEL, PATH))
    if label is None or path is None:
        raise BadInput(
            f"{place.uri}: columns {', '.join(map(str, names)) or '(none)'}; a list needs one of {', '.join(LABEL)}, one of "
            f"{', '.join(PATH)}, and may have one of {', '.join(TRACK)}"
        )
    folder = posixpath.dirname(place.root)
    found = []
    for number, row in rows:
        told = {name: _text(row[name]) for name in (track, label, path) if name}
        if not (told[label] and told[path]):
            raise BadInput(f"{place.uri}: row {number} has no {path if told[label] else label}; mend or remove it")
        found.append((normal(told[track]) if track else "", told[label], storage.beside(folder, told[path])))
    return found


Rows = tuple[Sequence[str], list[tuple[int, Mapping[str, Any]]]]  # the columns, and each row with its number


def _csv(place: Place) -> Rows:
    try:
        text = sheets.text_of(place.root, place.uri)
    except FileNotFoundError:
        raise BadInput(f"{place.uri}: no such file; give a list with the columns instrum and path") from None
    header, *rest = [*sheets.lines(text, place.uri, (*TRACK, *LABEL, *PATH))] or [sheets.Line(1, [])]
    sheets.refuse_twice(header.cells, place.uri)
    return header.cells, [(line.number, sheets.by_column(header.cells, line, place.uri)) for line in rest]


def _parquet(place: Place) -> Rows:
    table = storage.read_table(place.root)
    sheets.refuse_twice(table.column_names, place.uri)
    return table.column_names, list(enumerate(table.to_pylist(), start=1))


def _text(value: Any) -> str:
    """A cell as text; a whole number as such, also where missing ones have made the column one of floating point."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _columns_of(uri: str) -> list[str]:
    try:
        names: list[str] = storage.read_table(uri).column_names
    except (OSError, pa.ArrowInvalid):
        return []  # the manifest's own layout says what is wrong
    return names


def _one_of(wanted: Iterable[str], names: Iterable[str | None]) -> str | None:
    """The column that goes by one of the names, in any case."""
    known: Mapping[str, str] = {folded(name).strip(): name for name in names if name}
    return next((known[name] for name in wanted if name in known), None)


def _track_of(uri: str, top: str, label: str, naming: Naming) -> str:
    below = normal(uri.removeprefix(top).lstrip("/"))
    folder, name = posixpath.split(posixpath.splitext(below)[0])
    if naming.of(name, posixpath.basename(folder)):
        return folder or posixpath.basename(top)
    return f"{label}/{folder}/{name}".replace("//", "/")
