from __future__ import annotations

import numpy as np
import soundfile

from raysep.corpus.layouts import musdb, songs


def write(path, seconds=0.5, rate=8000, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate)), rate)


def test_every_file_is_a_track_of_one_label(tmp_path):
    write(tmp_path / "b song.wav")
    write(tmp_path / "a.flac", seconds=1.0)
    write(tmp_path / "deeper" / "c.wav")
    (tmp_path / "notes.txt").write_text("no audio")
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    stems = songs.scan(str(tmp_path), "audio", split="test")
    assert [(s.stem_id, s.frames, s.sample_rate) for s in stems] == [
        ("a.flac/audio", 8000, 8000),
        ("b song.wav/audio", 4000, 8000),
        ("broken.wav/audio", 0, 0),
    ]
    assert {s.split for s in stems} == {"test"}


def test_its_tags_are_those_of_tracks_in_folders(tmp_path):
    write(tmp_path / "flat" / "x.wav")
    for label in musdb.LABELS:
        write(tmp_path / "tracks" / "x" / f"{label}.wav")
    tags = {s.etag for s in musdb.scan(str(tmp_path / "tracks")).stems}
    assert {s.etag for s in songs.scan(str(tmp_path / "flat"), "audio")} == tags


def test_what_lies_deeper_is_found_when_asked_for(tmp_path):
    for name in ("a.wav", "deeper/b.wav", ".hidden/c.wav"):
        write(tmp_path / name)
    assert [uri for uri, _ in songs.audio_files(str(tmp_path))] == [f"{tmp_path}/a.wav"]
    assert [uri for uri, _ in songs.audio_files(str(tmp_path), True)] == [
        f"{tmp_path}/a.wav",
        f"{tmp_path}/deeper/b.wav",
    ]


def test_where_there_is_no_folder_there_are_no_files(tmp_path):
    assert songs.audio_files(str(tmp_path / "nothing")) == []
    (tmp_path / "file").write_text("")
    assert songs.audio_files(str(tmp_path / "file")) == []
