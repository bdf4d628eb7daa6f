"""Folders with a record that says what their files are: MoisesDB's ``data.json`` and Slakh's ``metadata.yaml``.

A stem is one file, whatever it was summed of. Stems that go by one label in one track are files of one stem, which readers sum.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from raysep.commands.export.plan import File, Form, Options, Plan, extension, is_made, name_in, unsaid
from raysep.corpus.layouts import moisesdb, slakh
from raysep.training.entry import Entry


def _tracks(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """(folder, its stems by the labels that they are used as), in the order of their names."""
    ordered = sorted(entries, key=lambda e: (e.stem.track, e.label, e.stem.stem_id))
    grouped = [list(members) for _, members in groupby(ordered, key=lambda e: e.stem.track)]
    return [(name_in(members[0], members[0].stem.track), members) for members in grouped]


def _audio(path: str, entry: Entry) -> File:
    made = is_made(entry.stem)
    return File(f"{path}{'.wav' if made else extension(entry)}", (entry,), wav=made)


def as_moisesdb(entries: Sequence[Entry], options: Options) -> Plan:
    files = []
    for folder, members in _tracks(entries):
        stems: dict[str, list[dict[str, Any]]] = {}
        for entry in members:
            label, held = name_in(entry, entry.label), stems.setdefault(entry.label, [])
            file = _audio(f"{folder}/{label}/{len(held)}", entry)
            _, _, ending = file.path.rpartition(".")
            about = {"id": str(len(held)), "extension": ending, "trackType": entry.label}
            held.append(about | ({} if entry.stem.has_bleed is None else {"has_bleed": entry.stem.has_bleed}))
            files.append(file)
        listed = [{"stemName": name, "tracks": held} for name, held in stems.items()]
        record = {"artist": "", "song": members[0].stem.track, "stems": listed}
        files.append(File(f"{folder}/{moisesdb.RECORD}", text=json.dumps(record, indent=1).encode() + b"\n"))
    return Plan(files, unsaid(entries, audio=True))


def as_slakh(entries: Sequence[Entry], options: Options) -> Plan:
    import yaml

    files = []
    for folder, members in _tracks(entries):
        names = [f"S{number:02d}" for number in range(len(members))]
        stems = {
            name: {"inst_class": entry.label.capitalize(), "audio_rendered": True}
            for name, entry in zip(names, members, strict=True)
        }
        files += [_audio(f"{folder}/{slakh.STEMS}/{name}", entry) for name, entry in zip(names, members, strict=True)]
        files.append(
            File(f"{folder}/{slakh.RECORD}", text=yaml.safe_dump({"stems": stems}, allow_unicode=True).encode())
        )
    return Plan(files, unsaid(entries, audio=True))


MOISESDB = Form("moisesdb", "TRACK/LABEL/0.ext and TRACK/data.json, as MoisesDB lies", "", as_moisesdb)
SLAKH = Form("slakh", "TRACK/stems/S00.ext and TRACK/metadata.yaml, as Slakh2100 lies", "", as_slakh)
