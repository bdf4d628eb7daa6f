from __future__ import annotations

import numpy as np
import pytest
import soundfile

from raysep.corpus.layouts import LABELS, stems_of
from raysep.errors import BadInput


def write(path, seconds=0.5, rate=8000, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate)), rate)


def songs(folder, labels=None, **options):
    return stems_of(str(folder), labels, songs=True, on_problem="collect", **options)


def test_every_file_is_a_track_of_one_label(tmp_path):
    write(tmp_path / "b song.wav")
    write(tmp_path / "a.flac", seconds=1.0)
    write(tmp_path / ".hidden" / "c.wav")
    (tmp_path / "notes.txt").write_text("no audio")
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    found = songs(tmp_path, split="test")
    assert [(s.stem_id, s.frames, s.sample_rate) for s in found.stems] == [
        ("a.flac/audio", 8000, 8000),
        ("b song.wav/audio", 4000, 8000),
        ("broken.wav/audio", 0, 0),
        ("empty.wav/audio", 0, 0),
    ]
    assert {s.split for s in found.stems} == {"test"}
    assert [(p.track, p.unreadable) for p in found.problems] == [("broken.wav", True), ("empty.wav", True)]
    assert {s.stem for s in songs(tmp_path, ("vocals",)).stems} == {"vocals"}


def test_its_tags_are_those_of_tracks_in_folders(tmp_path):
    write(tmp_path / "flat" / "x.wav")
    for label in LABELS:
        write(tmp_path / "tracks" / "x" / f"{label}.wav")
    tags = {s.etag for s in stems_of(str(tmp_path / "tracks")).stems}
    assert {s.etag for s in songs(tmp_path / "flat").stems} == tags


def test_what_lies_deeper_is_refused_unless_it_is_the_stems(tmp_path):
    write(tmp_path / "a.wav")
    write(tmp_path / "deeper" / "b.wav")
    with pytest.raises(
        BadInput, match=r"1 audio files lie directly in it, first .*a\.wav, and 1 in folders, first .*b"
    ):
        songs(tmp_path)
    for label in LABELS:
        write(tmp_path / "deeper" / f"{label}.wav")
    assert {s.track for s in songs(tmp_path).stems} == {"deeper"}


@pytest.mark.parametrize("labels", [None, ("vocals",)])
def test_songs_are_no_corpus_unless_they_are_asked_for(tmp_path, labels):
    write(tmp_path / "a.wav")
    with pytest.raises(BadInput, match="no audio in any track's folder"):
        stems_of(str(tmp_path), labels)
    assert len(songs(tmp_path, labels).stems) == len(stems_of(str(tmp_path), labels, layout="songs").stems) == 1


def test_songs_are_of_one_label(tmp_path):
    write(tmp_path / "a.wav")
    with pytest.raises(BadInput, match="no audio in any track's folder"):
        songs(tmp_path, ("vocals", "bass"))


def test_where_there_is_no_folder_there_are_no_songs(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="nothing: no such folder"):
        songs(tmp_path / "nothing")
    with pytest.raises(BadInput, match="file: a file"):
        songs(tmp_path / "file")
