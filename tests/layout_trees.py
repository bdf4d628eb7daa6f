"""The same songs in every layout that raysep reads: ``TREES[name](songs, out)`` lays them out, and gives the place."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import soundfile

from raysep.config import LABELS


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target)


def _files(songs: Path) -> list[tuple[str, str, Path]]:
    return [(file.parent.name, file.stem, file) for file in sorted(songs.glob("*/*.wav")) if file.stem in LABELS]


def _halves(file: Path, *targets: Path) -> None:
    """Two files whose sum is the stem."""
    audio, rate = soundfile.read(file, dtype="float32")
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, audio / 2, rate, subtype="FLOAT")


def _numbered(songs: Path, out: Path) -> str:
    for track, label, file in _files(songs):
        _link(file, out / track / f"0{LABELS.index(label)}_{label.upper()}.wav")
    return str(out)


def _split(songs: Path, out: Path) -> str:
    for track, label, file in _files(songs):
        for split in ("Train", "Test", "reference"):
            _link(file, out / split / track / f"{label}.wav")
    return str(out)


def _stem_folders(songs: Path, out: Path) -> str:
    for track, label, file in _files(songs):
        _link(file, out / label / f"{track}.wav")
    return str(out)


def _pool(songs: Path, out: Path) -> str:
    for track, label, file in _files(songs):
        _link(file, out / label / f"{track} {label[0]}.wav")
    return str(out)


def _list(songs: Path, out: Path) -> str:
    out.mkdir()
    with (out / "list.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("instrum", "path"))
        rows.writerows((label, file) for _, label, file in _files(songs))
    return str(out / "list.csv")


def _moisesdb(songs: Path, out: Path) -> str:
    for track in sorted({track for track, _, _ in _files(songs)}):
        stems = []
        for _, label, file in (each for each in _files(songs) if each[0] == track):
            names = ("guitar", "piano") if label == "other" else (label,)
            if label == "other":
                _halves(file, *(out / track / name / "a.wav" for name in names))
            else:
                _link(file, out / track / label / "a.wav")
            entry = {"id": "a", "extension": "wav", "trackType": "x", "has_bleed": False}
            stems += [{"stemName": name, "tracks": [entry]} for name in names]
        (out / track / "data.json").write_text(json.dumps({"artist": "A", "song": track, "stems": stems}))
    return str(out)


def _slakh(songs: Path, out: Path) -> str:
    for track in sorted({track for track, _, _ in _files(songs)}):
        stems, folder = {}, out / track / "stems"
        for k, (_, label, file) in enumerate(each for each in _files(songs) if each[0] == track):
            if label == "other":
                _halves(file, folder / f"S{k}0.wav", folder / f"S{k}1.wav")
                stems |= {f"S{k}0": {"inst_class": "Organ"}, f"S{k}1": {"inst_class": "Reed"}}
            else:
                _link(file, folder / f"S{k}.wav")
                stems[f"S{k}"] = {"inst_class": label.capitalize()}
        (out / track / "metadata.yaml").write_text(json.dumps({"stems": stems}))
    return str(out)


def tracks(songs: Path, out: Path) -> str:
    for track, label, file in _files(songs):
        _link(file, out / track / f"{label}.wav")
        if not (out / track / "mixture.wav").exists():
            _link(file, out / track / "mixture.wav")  # whatever it holds: it is passed over
    return str(out)


def lacking(songs: Path, out: Path) -> str:
    """Stems that only some tracks have, as MSST's type 7 takes them."""
    for n, (track, label, file) in enumerate(_files(songs)):
        if n % 5:
            _link(file, out / track / f"{label}.wav")
    return str(out)


TREES: dict[str, Callable[[Path, Path], str]] = {
    "numbered": _numbered,
    "split": _split,
    "stem-folders": _stem_folders,
    "msst2": _pool,
    "list": _list,
    "moisesdb": _moisesdb,
    "slakh": _slakh,
}
