"""MoisesDB: a folder a track, whose ``data.json`` says which stems it has and which files each is the sum of.

    moisesdb_v0.1/<uuid>/data.json
    moisesdb_v0.1/<uuid>/<stem name>/<file id>.wav

    {"artist": …, "song": …, "stems": [{"stemName": "vocals",
      "tracks": [{"id": "<file id>", "extension": "wav", "trackType": "lead vocal", "has_bleed": false}, …]}, …]}

A stem's name may occur more than once: all its files are summed. Whether one of them bleeds is kept in the manifest's
column ``has_bleed``, for the record; nothing that cleans reads it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from raysep.corpus import storage
from raysep.corpus.layouts import splits
from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.instruments import Instruments
from raysep.corpus.layouts.layout import Found, Layout, Place, Scan
from raysep.corpus.layouts.naming import checked
from raysep.corpus.layouts.problems import Problem

RECORD = "data.json"


class MoisesDB(Layout):
    def matches(self, place: Place) -> bool:
        return not place.is_file and any(_is_record(file) for file in place.files)

    def scan(self, place: Place) -> Scan:
        instruments = Instruments(checked(place.naming))
        records = {"/".join(file.path.parts[:-1]): file for file in place.files if _is_record(file)}
        split = splits.choose(place.root, place.split, records)
        by_path = {str(file.path): file for file in place.files}
        found: list[Found] = []
        problems: list[Problem] = []
        for folder, record in sorted(records.items()):
            track = split.below(folder)
            if track is None:
                continue
            try:
                stems = _stems(json.loads(storage.read_bytes(record.uri)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                message = f"{record.uri}: not a record of MoisesDB ({type(error).__name__}: {error}); mend or remove the folder"
                problems.append(Problem(track, "", record.uri, message))
                continue
            held, bleed = _held(folder, stems, by_path, record)
            found += instruments.stems(track, held, bleed)
        read = place.read(found, [*split.notes, *instruments.notes()])
        return Scan(read.stems, problems + read.problems, read.notes)


def _is_record(file: File) -> bool:
    return file.path.name == RECORD and len(file.path.parts) > 1


def _stems(record: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Stem name → its files' entries, those of all its occurrences."""
    stems: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for stem in record["stems"]:
        for entry in stem["tracks"]:
            stems[str(stem["stemName"])].append({**entry, "file": f"{entry['id']}.{entry.get('extension', 'wav')}"})
    return stems


def _held(
    folder: str, stems: Mapping[str, list[dict[str, Any]]], by_path: Mapping[str, File], record: File
) -> tuple[dict[str, list[File]], dict[str, bool | None]]:
    """Stem name → its files, and whether any bleeds. A file that is named and not there fails where it is read."""
    held: dict[str, list[File]] = {}
    bleed: dict[str, bool | None] = {}
    for name, entries in stems.items():
        paths = [f"{folder}/{name}/{entry['file']}" for entry in entries]
        lost = record.path.parent
        held[name] = [by_path.get(path) or _gone(record, path, lost.parts) for path in paths]
        known = [bool(entry["has_bleed"]) for entry in entries if entry.get("has_bleed") is not None]
        bleed[name] = any(known) if known else None
    return held, bleed


def _gone(record: File, path: str, folder: tuple[str, ...]) -> File:
    root = record.uri.removesuffix("/".join((*folder, RECORD)))
    return File(f"{root}{path}", 0, record.path.with_name(path.rpartition("/")[2]))
