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
from raysep.corpus.layouts import records
from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.layout import Layout, Place, Scan

RECORD = "data.json"


class MoisesDB(Layout):
    def matches(self, place: Place) -> bool:
        return not place.is_file and any(_is_record(file) for file in place.files)

    def scan(self, place: Place) -> Scan:
        files = {"/".join(file.path.parts[:-1]): file for file in place.files if _is_record(file)}
        by_path = {str(file.path): file for file in place.files}

        def held(folder: str, record: File) -> records.Held:
            return _held(folder, _stems(json.loads(storage.read_bytes(record.uri))), by_path, record)

        return records.scan(place, files, held, "MoisesDB")


def _is_record(file: File) -> bool:
    return file.path.name == RECORD and len(file.path.parts) > 1


def _stems(record: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Stem name → its files' entries, those of all its occurrences. Raises ``TypeError`` for a name that is none."""
    stems: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for stem in record["stems"]:
        for entry in stem["tracks"]:
            name, own = _text(stem, "stemName"), _text(entry, "id")
            if entry.get("has_bleed") not in (None, True, False):
                raise TypeError(f"has_bleed: {entry['has_bleed']!r} is neither true nor false")
            stems[name].append({**entry, "file": f"{own}.{entry.get('extension', 'wav')}"})
    return stems


def _text(record: Mapping[str, Any], name: str) -> str:
    if not isinstance(value := record[name], str | int) or not str(value):
        raise TypeError(f"{name}: {value!r} is no name")
    return str(value)


def _held(
    folder: str, stems: Mapping[str, list[dict[str, Any]]], by_path: Mapping[str, File], record: File
) -> records.Held:
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
