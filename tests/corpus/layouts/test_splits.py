from __future__ import annotations

import pytest

from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.corpus.layouts.splits import choose, split_of
from raysep.errors import BadInput


def test_folders_that_are_a_split_in_any_case():
    assert [split_of(name) for name in ("train", "Train", "TEST", "valid", "Validation", "reference")] == [
        "train",
        "train",
        "test",
        "validation",
        "validation",
        "reference",
    ]
    assert [split_of(name) for name in ("training", "Val", "testing")] == ["train", "validation", "test"]
    assert [split_of(name) for name in ("training songs", "The Train", "")] == [None, None, None]


def test_one_split_is_read():
    tracks = ["Train/a", "Train/album/b", "TEST/c", "Valid/d"]
    split = choose("/c", "train", tracks)
    assert [split.below(track) for track in tracks] == ["a", "album/b", None, None]
    assert [choose("/c", "validation", tracks).below(t) for t in tracks] == [None, None, None, "d"]
    with pytest.raises(BadInput, match="split folders TEST, Train, Valid but no 'reference'"):
        choose("/c", "reference", tracks)


def test_a_place_without_split_folders_is_read_whole():
    for tracks in (["a", "album/b"], ["train"], ["train", "a"]):
        split = choose("/c", "train", tracks)
        assert ([split.below(t) for t in tracks], split.notes) == (tracks, ())


def test_a_band_called_train_is_a_band():
    tracks = ["Artist/a", "Artist/b", "train/x"]
    split = choose("/c", "train", tracks)
    assert [split.below(t) for t in tracks] == tracks
    assert [note.first for note in split.notes] == ["train"]


@pytest.mark.parametrize("beside", [["a", "b", "c"], ["a", "b", "album/c"]])
def test_tracks_beside_a_split_folder_are_refused_with_the_remedy(beside):
    with pytest.raises(BadInput, match=r"^/c: 3 tracks beside train/, first a; move them .* or give /c/train$"):
        choose("/c", "train", [*beside, "train/x"])


def test_tracks_beside_two_split_folders_are_no_bands():
    with pytest.raises(BadInput, match="1 track beside test/, first bonus/x; move it"):
        choose("/c", "train", ["train/a", "test/b", "bonus/x"])


def test_a_split_that_is_asked_for_of_a_place_without_such_folders_is_said(write_corpus, tmp_path):
    whole, parts = write_corpus(str(tmp_path / "whole"), ["A"]), str(tmp_path / "parts")
    write_corpus(f"{parts}/Test", ["A"])
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "test").symlink_to(whole)
    manifest.write(str(tmp_path / "m.parquet"), stems_of(whole).stems)
    said: list[str] = []
    for place in (whole, str(tmp_path / "m.parquet"), parts, str(tmp_path / "linked")):
        found = stems_of(place, asked_split="testing", say=said.append).stems
        assert {stem.track for stem in found} == {"A"}
    told = "--split testing: it has no split folders, and all of it is read"
    assert [text.partition(": --split")[0] for text in said if told in text] == [
        f"note: {whole}",
        f"note: {tmp_path}/m.parquet",
    ]
    stems_of(whole, split="test", say=said.append)  # nobody asked
    assert sum("--split" in text for text in said) == 2
    with pytest.raises(BadInput, match="split folders Test but no 'train'"):
        stems_of(parts, asked_split="train")
