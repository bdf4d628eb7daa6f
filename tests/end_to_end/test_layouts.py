"""The same songs in every layout, found as the same stems, and through the whole cleaning as they lie."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from raysep import pipeline
from raysep.config import LABELS
from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.corpus.reading import read_stem


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


TREES: dict[str, Callable[[Path, Path], str]] = {
    "numbered": _numbered,
    "split": _split,
    "stem-folders": _stem_folders,
    "msst2": _pool,
    "list": _list,
    "moisesdb": _moisesdb,
    "slakh": _slakh,
}


@pytest.mark.parametrize("name", TREES)
def test_the_same_stems_are_found(name, tmp_path, write_tracks):
    songs = Path(write_tracks(tmp_path / "songs", ["A", "B", "C"], seconds=0.2))
    here, there = stems_of(str(songs)).stems, stems_of(TREES[name](songs, tmp_path / "tree")).stems
    if name == "msst2":
        assert {s.stem_id for s in there} == {f"{s.stem}/{s.track} {s.stem[0]}/{s.stem}" for s in here}
    else:
        assert [s.stem_id for s in there] == [s.stem_id for s in here]
    assert sorted(s.etag for s in there if not s.parts) == sorted(
        s.etag for s in here if s.stem != "other" or name not in ("moisesdb", "slakh")
    )
    audio = {(s.stem, read_stem(s, 8000, 1).round(4).tobytes()) for s in here}
    assert {(s.stem, read_stem(s, 8000, 1).round(4).tobytes()) for s in there} == audio


@pytest.mark.train
@pytest.mark.parametrize("name", TREES)
def test_a_layout_goes_through_the_whole_cleaning(name, request_for, corpora, ray_runtime, tmp_path):
    """As far as the decision; to the proof those whose stems are no mixture, or sums of several files."""
    places = {
        role: TREES[name](Path(getattr(corpora, role)), tmp_path / role) for role in ("corpus", "reference", "test")
    }
    overrides = {"proof": {"arms": ["contaminated", "cleaned"]}}
    until = None if name in ("msst2", "moisesdb") else "decide"
    run = pipeline.clean(request_for(tmp_path / "run", overrides=overrides, until=until, **places))
    rows = run.read_table("decision.parquet").to_pylist()
    assert len(rows) == len(stems_of(corpora.corpus).stems)
    assert {row["outcome"] for row in rows} <= {"scored", "silent"}
    if until is None:
        results = run.read_table("results.parquet").to_pylist()
        assert {row["arm"] for row in results} == {"contaminated", "cleaned"}
        assert {row["stem"] for row in results} == set(LABELS)
    assert len(manifest.read(run.path("cleaned.parquet"))) == sum(row["keep"] for row in rows)
