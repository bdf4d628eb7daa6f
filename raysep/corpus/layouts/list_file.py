"""A list of files: CSV or Parquet, a row per file with its label and its path, and the track where there is a column for it.

    instrum,path                     type 3 of the Music-Source-Separation-Training repository (MSST)
    vocals,/data/pool/one.wav
    track,stem,path                  with tracks
    Some Song,drums,songs/a/kick.wav

Without a column for it a file that is named as its label belongs to the track that its folder is; any other is a track of
its own. Paths are absolute, URIs, or below the list's own folder. Several files of one label and track are summed.
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

import pyarrow as pa

from raysep.corpus import identity, storage
from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.layout import Found, Layout, Place, Scan
from raysep.corpus.layouts.naming import Naming, checked, other_names
from raysep.corpus.layouts.notes import Note
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
        groups: dict[tuple[str, str], list[File]] = defaultdict(list)
        strange: Counter[str] = Counter()
        for track, label, uri in rows:
            meant = naming.of(label)
            if meant is None:
                strange[label] += 1
                continue
            known = next(each for each in naming.labels if meant[0] in naming.parts(each))
            groups[track or _track_of(uri, top, meant[0], naming), known].append(
                File(uri, told[uri][0], PurePosixPath(uri), told[uri][1])
            )
        if not groups:
            names = ", ".join(sorted(strange)) or "no rows"
            raise BadInput(f"{place.uri}: lists no {', '.join(naming.names)} ({names}); name the labels with --labels")
        several = [key for key, files in groups.items() if len(files) > 1]
        return place.read(
            (Found(track, label, files) for (track, label), files in groups.items()),
            [*_summed(several), *other_names(strange, {}, naming)],
        )


def _summed(several: Sequence[tuple[str, str]]) -> list[Note]:
    if not several:
        return []
    first = "/".join(several[0])
    return [Note("summed", len(several), first, f"{len(several)} stems are the sum of several files, first {first}")]


def _rows(place: Place) -> list[tuple[str, str, str]]:
    """(track or "", label, URI) of every row. Raises ``BadInput`` for what is no list, naming the columns it needs."""
    rows = _csv(place) if not place.is_manifest else storage.read_table(place.root).to_pylist()
    names = list(rows[0]) if rows else []
    track, label, path = (_one_of(wanted, names) for wanted in (TRACK, LABEL, PATH))
    if label is None or path is None:
        raise BadInput(
            f"{place.uri}: columns {', '.join(map(str, names)) or '(none)'}; a list needs one of {', '.join(LABEL)}, one of "
            f"{', '.join(PATH)}, and may have one of {', '.join(TRACK)}"
        )
    folder = posixpath.dirname(place.root)
    found = []
    for number, row in enumerate(rows, start=2):
        if not (row[label] and row[path]):
            raise BadInput(f"{place.uri}: row {number} has no {label if not row[label] else path}; mend or remove it")
        found.append(
            (normal(str(row[track])) if track and row[track] else "", str(row[label]), _uri(folder, str(row[path])))
        )
    return found


def _csv(place: Place) -> list[dict[str, str]]:
    try:
        text = storage.read_bytes(place.root).decode("utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"{place.uri}: no such file; give a list with the columns instrum and path") from None
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{place.uri}: not text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None
    return list(csv.DictReader(io.StringIO(text, newline="")))


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


def _uri(folder: str, path: str) -> str:
    return path if path.startswith("/") or "://" in path else storage.join(folder, path)


def _track_of(uri: str, top: str, label: str, naming: Naming) -> str:
    below = normal(uri.removeprefix(top).lstrip("/"))
    folder, name = posixpath.split(posixpath.splitext(below)[0])
    if naming.of(name, posixpath.basename(folder)):
        return folder or posixpath.basename(top)
    return f"{label}/{folder}/{name}".replace("//", "/")
