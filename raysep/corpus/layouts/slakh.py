"""Slakh2100: a folder a track, whose ``metadata.yaml`` says of each file in ``stems/`` which class of instrument it is.

    train/Track00001/metadata.yaml
    train/Track00001/mix.flac
    train/Track00001/stems/S00.flac

    stems: {S00: {inst_class: Guitar, audio_rendered: true, …}, S01: {inst_class: Bass, …}, …}

Files of one class are summed. A stem that was not rendered has no file, and is passed over as Slakh itself does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from raysep.corpus import storage
from raysep.corpus.layouts import records
from raysep.corpus.layouts.headers import EXTENSIONS, File
from raysep.corpus.layouts.layout import Layout, Place, Scan

RECORD, STEMS = "metadata.yaml", "stems"


class Slakh(Layout):
    def matches(self, place: Place) -> bool:
        """Whether a folder has both the record and ``stems/`` beside it."""
        if place.is_file:
            return False
        records = {file.path.parent for file in place.files if file.path.name == RECORD}
        return any(file.path.parent.name == STEMS and file.path.parent.parent in records for file in place.audio)

    def scan(self, place: Place) -> Scan:
        files = {"/".join(file.path.parts[:-1]): file for file in place.files if file.path.name == RECORD}
        audio: dict[str, dict[str, list[File]]] = defaultdict(lambda: defaultdict(list))
        for file in place.files:
            if file.path.suffix.lower() in EXTENSIONS and file.path.parent.name == STEMS:
                audio["/".join(file.path.parts[:-2])][file.path.stem].append(file)
        return records.scan(place, files, lambda folder, record: (_held(_read(record), audio[folder]), {}), "Slakh")


def _read(record: File) -> Mapping[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(storage.read_bytes(record.uri))
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from None
    stems: Mapping[str, Any] = found["stems"]
    return stems


def _held(stems: Mapping[str, Any], files: Mapping[str, list[File]]) -> dict[str, list[File]]:
    """Class of instrument → the files of that class. Raises ``ValueError`` where two files are one stem."""
    held: dict[str, list[File]] = defaultdict(list)
    for name, about in sorted(stems.items()):
        own = files.get(name, [])
        if len(own) > 1:
            raise ValueError(f"{' and '.join(file.path.name for file in own)} are both {name}; keep one of them")
        if own:
            held[str(about["inst_class"]).lower()] += own
    return held
