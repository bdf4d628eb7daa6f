"""One song in two places, in other files but with the same samples: known before a run begins, and others are not taken for it."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.config import LABELS
from raysep.corpus import same_samples
from raysep.corpus.inputs import read_inputs
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput


@pytest.fixture
def corpus(tmp_path, write_tracks) -> Path:
    return Path(write_tracks(tmp_path / "corpus", ["a", "b"], seconds=0.3))


@pytest.fixture
def reference(tmp_path, write_tracks) -> Path:
    return Path(write_tracks(tmp_path / "reference", ["r", "s"], seconds=0.3, seed=9))


def rewritten(source: Path, target: Path, ending: str, change=lambda audio: audio, labels=LABELS, **options) -> None:
    target.mkdir()
    for label in labels:
        audio, rate = soundfile.read(source / f"{label}.wav", dtype="int16")
        soundfile.write(target / f"{label}{ending}", change(audio), rate, **options)


def tagged(source: Path, target: Path) -> None:
    target.mkdir()
    for label in LABELS:
        data = (source / f"{label}.wav").read_bytes()
        data += b"LIST" + struct.pack("<I", 16) + b"INFOINAM" + struct.pack("<I", 4) + b"abc\0"
        (target / f"{label}.wav").write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])


GUISES = {
    "as FLAC": lambda source, target: rewritten(source, target, ".flac"),
    "as AIFF": lambda source, target: rewritten(source, target, ".aiff"),
    "in 24 bits": lambda source, target: rewritten(source, target, ".wav", subtype="PCM_24"),
    "in floating point": lambda source, target: rewritten(
        source, target, ".wav", lambda audio: audio / 32768, subtype="FLOAT"
    ),
    "with a tag": tagged,
}


@pytest.mark.parametrize("guise", GUISES)
@pytest.mark.parametrize("role", ["--reference", "--test"])
def test_the_same_samples_in_other_files_are_refused_before_a_run_begins(corpus, reference, tmp_path, guise, role):
    GUISES[guise](corpus / "b", reference / "z")
    given = (str(reference), None) if role == "--reference" else (None, str(reference))
    with pytest.raises(BadInput, match=rf"^{role}: track z holds the same audio as b of the corpus; .*--allow-twins"):
        read_inputs(str(corpus), *given, LABELS)


def pairs(corpus: Path, reference: Path) -> list[tuple[str, str]]:
    return same_samples.shared(stems_of(str(reference)).stems, stems_of(str(corpus)).stems)


def test_other_songs_and_one_shared_stem_are_no_leak(corpus, reference):
    assert pairs(corpus, reference) == []
    rewritten(corpus / "b", reference / "z", ".flac", labels=["drums"])
    rewritten(reference / "r", reference / "y", ".flac", lambda audio: audio[::-1], labels=["bass", "vocals", "other"])
    for label in ("bass", "vocals", "other"):
        shutil.move(reference / "y" / f"{label}.flac", reference / "z")
    assert pairs(corpus, reference) == []


def test_a_track_of_one_stem_needs_no_second(corpus, reference):
    rewritten(corpus / "b", reference / "z", ".flac", labels=["drums"])
    assert pairs(corpus, reference) == [("z", "b")]


def test_the_middle_alone_proves_nothing(tmp_path):
    """Takes of one loop: a second about the middle is the same, what comes before is not."""
    rng = np.random.default_rng(0)
    loop = {label: rng.integers(-3000, 3000, 3 * 8000, dtype=np.int16) for label in LABELS}
    for place in ("corpus", "reference"):
        (tmp_path / place / place).mkdir(parents=True)
        for label, audio in loop.items():
            audio[:4000] = rng.integers(-3000, 3000, 4000)
            soundfile.write(tmp_path / place / place / f"{label}.wav", audio, 8000)
    assert pairs(tmp_path / "corpus", tmp_path / "reference") == []


def test_silence_is_shared_by_many(corpus, reference):
    for folder in (corpus / "b", reference / "z"):
        folder.mkdir(exist_ok=True)
        for label in LABELS:
            soundfile.write(folder / f"{label}.wav", np.zeros(2000 + len(folder.name)), 8000)
    rewritten(corpus / "b", reference / "y", ".flac")
    assert pairs(corpus, reference) == []


def test_where_too_many_could_be_the_same_none_is_looked_into(corpus, reference, monkeypatch):
    tagged(corpus / "b", reference / "z")
    monkeypatch.setattr(same_samples, "MOST", 3)
    monkeypatch.setattr(same_samples, "decode", None)
    assert pairs(corpus, reference) == []


def test_what_was_compared_before_is_not_read_again(corpus, reference, monkeypatch):
    known = [stem for place in (corpus, reference) for stem in stems_of(str(place)).stems]
    monkeypatch.setattr(same_samples, "decode", None)
    found = read_inputs(str(corpus), str(reference), None, LABELS, known=known)
    assert (len(found.corpus), len(found.reference)) == (8, 8)
    with pytest.raises(TypeError):
        read_inputs(str(corpus), str(reference), None, LABELS, known=known[1:])
