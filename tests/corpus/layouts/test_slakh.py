from __future__ import annotations

import pytest

from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput


@pytest.fixture
def place(tone, tmp_path):
    """Two splits of one track each; S03 was not rendered."""
    for split, track in (("train", "Track00001"), ("test", "Track00002")):
        for number in range(3):
            tone(f"{split}/{track}/stems/S0{number}.flac", number)
        tone(f"{split}/{track}/mix.flac", 9)
        classes = ("Bass", "Drums", "Piano", "Guitar")
        stems = "".join(f"  S0{k}: {{inst_class: {name}, is_drum: false}}\n" for k, name in enumerate(classes))
        (tmp_path / split / track / "metadata.yaml").write_text(f"UUID: x\nstems:\n{stems}")
    return tmp_path


def test_classes_become_labels(place):
    found = stems_of(str(place))
    assert [s.stem_id for s in found.stems] == ["Track00001/bass", "Track00001/drums", "Track00001/other"]
    assert [(n.kind, n.first) for n in found.notes] == [("summed", "piano"), ("no-label", "vocals")]
    assert {s.track for s in stems_of(str(place), split="test").stems} == {"Track00002"}
    assert [s.stem for s in stems_of(str(place), ("bass", "piano")).stems] == ["bass", "piano"]


def test_a_record_that_is_none(place):
    (place / "train" / "Track00001" / "metadata.yaml").write_text("stems: [\n")
    with pytest.raises(BadInput, match=r"metadata\.yaml: not a record of Slakh \(ValueError"):
        stems_of(str(place), on_problem="keep")


def test_a_track_without_its_record_is_told(place, tone):
    tone("train/Track00007/stems/S00.flac")
    tone("test/Track00008/stems/S00.flac")
    notes = {note.kind: note.text for note in stems_of(str(place)).notes}
    assert notes["stray"] == "1 audio file in no folder with such a record, first train/Track00007/stems/S00.flac"


def test_two_files_of_one_stem_are_a_problem_of_their_track(place, tone):
    tone("train/Track00001/stems/S01.wav")
    with pytest.raises(BadInput, match=r"S01\.flac and S01\.wav are both S01; keep one of them"):
        stems_of(str(place))
