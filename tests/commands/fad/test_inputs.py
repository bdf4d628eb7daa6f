from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from raysep.commands.fad.inputs import read_comparison, read_stems
from raysep.corpus import manifest, storage
from raysep.corpus.layouts import LABELS, stems_of
from raysep.errors import BadInput
from raysep.probes.fad.reference_file import MadeWith, ReferenceFile

RATE = 8000


@pytest.fixture
def corpus(tmp_path, write_tracks):
    return write_tracks(tmp_path / "corpus", ["A", "B"], seconds=0.5)


@pytest.fixture
def clean(tmp_path, write_tracks):
    return write_tracks(tmp_path / "clean", ["R", "S"], seconds=0.5, seed=1)


@pytest.fixture
def songs(tmp_path):
    folder = tmp_path / "songs"
    folder.mkdir()
    for name in ("one.wav", "two.flac"):
        soundfile.write(folder / name, 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    return str(folder)


def reference_file(tmp_path, label: str) -> str:
    embedder = SimpleNamespace(name="logmel", weights_digest="", sample_rate=RATE, dimension=2)
    frames = np.random.default_rng(0).normal(size=(4, 9, 2))
    tracks = [(f"T{k}", f"tag{k}", own) for k, own in enumerate(frames)]
    path = tmp_path / f"{label}.fadref"
    path.write_bytes(ReferenceFile.from_tracks(label, tracks, MadeWith.of(embedder, ("fad",), 0)).to_bytes())
    return str(path)


def test_folders_and_manifests_give_the_same(corpus, clean, tmp_path):
    manifest.write(str(tmp_path / "corpus.parquet"), stems_of(corpus).stems)
    by_folder, by_manifest = read_comparison(corpus, clean), read_comparison(str(tmp_path / "corpus.parquet"), clean)
    assert by_folder == by_manifest
    assert by_folder.labels == tuple(sorted(LABELS))
    assert (by_folder.sample_rate, len(by_folder.corpus), len(by_folder.reference)) == (RATE, 8, 8)
    assert by_folder.digests["reference"] == manifest.digest(by_folder.reference)


def test_only_the_labels_asked_for_are_heard(corpus, clean):
    compared = read_comparison(corpus, clean, ("vocals", "bass"))
    assert compared.labels == compared.reference_labels == ("bass", "vocals")


def test_a_reference_may_be_a_file(corpus, tmp_path):
    path = reference_file(tmp_path, "bass")
    compared = read_comparison(corpus, path, ("bass",))
    assert compared.reference_labels == ("bass",)
    assert compared.digests["reference"] == storage.digest(compared.file_bytes)
    with pytest.raises(BadInput, match=r"bass\.fadref: has bass, but the corpus has drums, other, vocals"):
        read_comparison(corpus, path)
    with pytest.raises(BadInput, match=r"--reference .*none\.fadref: cannot be read"):
        read_comparison(corpus, str(tmp_path / "none.fadref"))


def test_songs_without_stems_are_of_one_label(songs, tmp_path):
    assert [s.stem_id for s in read_stems(songs, None, None)] == ["one.wav/audio", "two.flac/audio"]
    assert {s.stem for s in read_stems(songs, ("vocals",), None)} == {"vocals"}
    assert read_comparison(songs, songs).reference_labels == ("audio",)
    assert read_comparison(songs, reference_file(tmp_path, "vocals"), ("vocals",)).labels == ("vocals",)


def test_a_stray_song_beside_the_tracks_hides_none_of_them(corpus, tmp_path):
    soundfile.write(tmp_path / "corpus" / "demo.wav", np.zeros(RATE), RATE)
    assert len(read_stems(corpus, None, None)) == 8
    assert [s.stem_id for s in read_stems(corpus, ("vocals",), None)] == ["A/vocals", "B/vocals"]


def test_songs_above_folders_of_songs_are_not_left_to_chance(songs, tmp_path):
    (tmp_path / "songs" / "b-sides").mkdir()
    soundfile.write(tmp_path / "songs" / "b-sides" / "three.wav", np.zeros(RATE), RATE)
    with pytest.raises(
        BadInput,
        match=r"2 audio files lie directly in it, first .*one\.wav, and 1 in folders, first .*b-sides/three\.wav",
    ):
        read_stems(songs, None, None)
    with pytest.raises(BadInput, match="none of them named as a stem"):
        read_stems(songs, ("guitar",), None)


def test_the_folder_of_one_track_is_not_taken_for_songs(corpus):
    with pytest.raises(BadInput, match="looks like the folder of one track"):
        read_stems(f"{corpus}/A", None, None)


def test_stems_of_other_lengths_and_no_audio_stay_and_a_missing_one_is_said(corpus, tmp_path):
    soundfile.write(tmp_path / "corpus" / "A" / "bass.wav", np.zeros(123), RATE)
    (tmp_path / "corpus" / "B" / "bass.wav").write_bytes(b"no audio")
    frames = {s.stem_id: s.frames for s in read_stems(corpus, None, None)}
    assert (len(frames), frames["A/bass"], frames["B/bass"]) == (8, 123, 0)
    (tmp_path / "corpus" / "B" / "drums.wav").unlink()
    said = []
    assert len(read_stems(corpus, None, None, say=said.append)) == 7
    assert said == [f"note: {corpus}: 1 track without a stem of some label, first B without drums"]


def test_a_reference_that_is_no_audio_is_refused(corpus, clean, tmp_path):
    (tmp_path / "clean" / "R" / "bass.wav").write_bytes(b"no audio")
    with pytest.raises(BadInput, match=r"--reference .*1 files cannot be read as audio, first .*bass\.wav"):
        read_comparison(corpus, clean)


def test_names_do_not_depend_on_where_the_files_are(corpus, clean, tmp_path):
    here = read_comparison(corpus, clean)
    shutil.move(corpus, tmp_path / "elsewhere")
    there = read_comparison(str(tmp_path / "elsewhere"), clean)
    assert here.files.keys() == there.files.keys()
    assert {"corpus/A/bass", "reference/R/bass"} <= here.files.keys()
    assert there.changed_from(here) == set()
    assert here.digests == there.digests
    both = read_comparison(clean, clean)
    assert sorted(both.files) == sorted(f"reference/{stem.stem_id}" for stem in both.reference)


def test_a_manifest_that_names_a_stem_twice_is_refused(corpus, clean, tmp_path):
    stems = stems_of(corpus).stems
    twin = replace(stems[0], uri=f"{clean}/R/bass.wav")
    manifest.write(str(tmp_path / "c.parquet"), [*stems, twin])
    with pytest.raises(BadInput, match=r"c\.parquet: .*1 stems have more than one row, first A/bass"):
        read_comparison(str(tmp_path / "c.parquet"), clean)


def test_a_manifest_without_the_labels_is_refused(corpus, clean, tmp_path):
    manifest.write(str(tmp_path / "c.parquet"), stems_of(corpus).stems)
    with pytest.raises(BadInput, match="holds no stems labelled piano"):
        read_comparison(str(tmp_path / "c.parquet"), clean, ("piano",))
