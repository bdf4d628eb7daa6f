from __future__ import annotations

import pytest

from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput


def ids(place, **options) -> list[str]:
    return [s.stem_id for s in stems_of(str(place), **options).stems]


def test_files_of_one_name_are_one_track(tone, tmp_path):
    for number, label in enumerate(("Vocals", "drums", "mixture")):
        tone(f"{label}/Some Song.wav", number)
        tone(f"{label}/album/Other.wav", 10 + number)
    tone("bass/Some Song.flac", 5)
    tone("bass/Extra.wav", 6)
    found = stems_of(str(tmp_path))
    assert [s.stem_id for s in found.stems] == [
        "Extra/bass",
        "Some Song/bass",
        "Some Song/drums",
        "Some Song/vocals",
        "album/Other/drums",
        "album/Other/vocals",
    ]
    assert "stray" not in {note.kind for note in found.notes}


def test_files_that_share_no_names_are_single_stems(tone, tmp_path):
    for number, path in enumerate(
        ("vocals/1.wav", "vocals/2.wav", "drums/1.wav", "drums/7.wav", "drums/8.wav", "bass/x/y.wav")
    ):
        tone(path, number, seconds=0.1 + 0.2 * number)
    found = stems_of(str(tmp_path))
    assert [s.stem_id for s in found.stems] == [
        "bass/x/y/bass",
        "drums/1/drums",
        "drums/7/drums",
        "drums/8/drums",
        "vocals/1/vocals",
        "vocals/2/vocals",
    ]
    assert [n.text for n in found.notes if n.kind == "single"] == ["6 tracks of one stem, first bass/x/y"]


def test_the_user_knows_better(tone, tmp_path):
    for number, path in enumerate(("vocals/1.wav", "drums/1.wav", "vocals/2.wav", "drums/2.wav")):
        tone(path, number, seconds=0.1)
    assert ids(tmp_path) == ids(tmp_path, layout="stem-folders") == ["1/drums", "1/vocals", "2/drums", "2/vocals"]
    assert ids(tmp_path, layout="msst2") == ["drums/1/drums", "drums/2/drums", "vocals/1/vocals", "vocals/2/vocals"]


def test_split_folders_and_what_lies_elsewhere(tone, tmp_path):
    for split in ("Train", "test"):
        for number, label in enumerate(("vocals", "drums")):
            tone(f"{split}/{label}/{split} song.wav", number)
    tone("train.wav")
    assert ids(tmp_path) == ["Train song/drums", "Train song/vocals"]
    assert ids(tmp_path, split="test") == ["test song/drums", "test song/vocals"]
    assert [n.text for n in stems_of(str(tmp_path)).notes if n.kind == "stray"] == [
        "1 audio file in no folder of a label, first train.wav"
    ]


def test_two_files_for_one_stem(tone, tmp_path):
    for path in ("vocals/1.wav", "drums/1.wav", "drums/1.flac"):
        tone(path)
    with pytest.raises(BadInput, match=r"drums/1\.flac, drums/1\.wav are all 'drums' of 1; keep one"):
        stems_of(str(tmp_path), on_problem="keep")


def test_folders_are_summed_as_the_labels_say(tone, tmp_path):
    for number, label in enumerate(("vocals", "guitar", "piano")):
        tone(f"{label}/Song.wav", number)
    stems = stems_of(str(tmp_path), ("vocals", "other"), sums={"other": ("guitar", "piano")}).stems
    assert [(s.stem_id, len(s.parts)) for s in stems] == [("Song/other", 2), ("Song/vocals", 0)]


def test_a_track_called_vocals_is_no_folder_of_vocals(tone, tmp_path):
    for track in ("vocals", "bass"):
        for number, label in enumerate(("vocals", "bass")):
            tone(f"{track}/{label}.wav", number)
    assert ids(tmp_path) == ["bass/bass", "bass/vocals", "vocals/bass", "vocals/vocals"]
