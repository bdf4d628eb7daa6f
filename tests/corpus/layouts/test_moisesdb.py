from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from raysep.corpus.layouts import stems_of
from raysep.corpus.reading import read_stem
from raysep.errors import BadInput


def entry(name: str, bleed: bool | None = False) -> dict:
    return {"id": name, "extension": "wav", "trackType": "some", **({} if bleed is None else {"has_bleed": bleed})}


@pytest.fixture
def track(tone, tmp_path):
    """track(uuid, (stem name, [entries]), …) with all its files, each another second of noise; stem names may be repeated."""

    def write(uuid: str, *stems: tuple[str, list[dict]]) -> None:
        for name, entries in stems:
            for each in entries:
                tone(f"moisesdb_v0.1/{uuid}/{name}/{each['id']}.wav", abs(hash((uuid, name, each["id"]))) % 1000)
        record = {"artist": "A", "song": "S", "stems": [{"stemName": n, "tracks": e} for n, e in stems]}
        (tmp_path / "moisesdb_v0.1" / uuid / "data.json").write_text(json.dumps(record))

    return write


def test_files_of_a_stem_are_summed_wherever_its_name_occurs(track, tmp_path):
    track(
        "u1",
        ("vocals", [entry("lead"), entry("choir", True)]),
        ("drums", [entry("kit", None)]),
        ("guitar", [entry("g1")]),
        ("guitar", [entry("g2")]),
        ("piano", [entry("p")]),
    )
    track("u2", ("vocals", [entry("lead")]), ("bass", [entry("b", True)]))
    place = tmp_path / "moisesdb_v0.1"
    found = stems_of(str(place))
    rows = {s.stem_id: s for s in found.stems}
    assert {i: len(s.uris) for i, s in rows.items()} == {
        "u1/drums": 1,
        "u1/other": 3,
        "u1/vocals": 2,
        "u2/bass": 1,
        "u2/vocals": 1,
    }
    assert {i: s.has_bleed for i, s in rows.items()} == {
        "u1/drums": None,
        "u1/other": False,
        "u1/vocals": True,
        "u2/bass": True,
        "u2/vocals": False,
    }
    files = [
        soundfile.read(place / "u1" / path, dtype="float32")[0]
        for path in ("guitar/g1.wav", "guitar/g2.wav", "piano/p.wav")
    ]
    assert np.allclose(read_stem(rows["u1/other"], 8000, 1)[0], sum(files), atol=1e-7)
    assert "guitar, piano summed as other (--labels takes them apart)" in [n.text for n in found.notes]


def test_the_users_labels_and_map(track, tmp_path):
    track("u", ("vocals", [entry("v")]), ("guitar", [entry("g")]), ("piano", [entry("p")]), ("wind", [entry("w")]))
    place = str(tmp_path / "moisesdb_v0.1")
    six = stems_of(place, ("vocals", "guitar", "piano"))
    assert [s.stem for s in six.stems] == ["guitar", "piano", "vocals"]
    assert [n.text.partition(":")[0] for n in six.notes] == ["wind in 1 track"]
    mapped = stems_of(place, ("vocals", "other"), sums={"other": ("guitar", "wind")})
    assert {s.stem: len(s.uris) for s in mapped.stems} == {"other": 2, "vocals": 1}
    assert [n.text.partition(":")[0] for n in mapped.notes] == ["piano in 1 track"]


def test_parts_of_other_rates_and_lengths_are_made_alike(track, tone, tmp_path):
    track("u", ("vocals", [entry("v")]), ("guitar", [entry("g1"), entry("g2")]))
    tone("moisesdb_v0.1/u/guitar/g2.wav", 3, seconds=0.15, rate=16000)
    other = next(s for s in stems_of(str(tmp_path / "moisesdb_v0.1")).stems if s.stem == "other")
    assert (other.sample_rate, other.frames) == (8000, 1200)
    assert read_stem(other, 8000, 1).shape == (1, 1200)


def test_a_file_that_is_named_and_gone_is_a_row_that_fails(track, tmp_path):
    track("u", ("vocals", [entry("v")]), ("drums", [entry("d"), entry("e")]))
    (tmp_path / "moisesdb_v0.1" / "u" / "drums" / "e.wav").unlink()
    place = str(tmp_path / "moisesdb_v0.1")
    assert [(s.stem, s.frames) for s in stems_of(place, on_problem="keep").stems] == [("drums", 0), ("vocals", 800)]
    with pytest.raises(BadInput, match=r"u/drums/e\.wav: cannot be read"):
        stems_of(place)


def test_what_is_no_record_is_named(track, tmp_path):
    track("u", ("vocals", [entry("v")]))
    (tmp_path / "moisesdb_v0.1" / "u" / "data.json").write_text('{"stems": [{"stemName": "vocals"}]}')
    with pytest.raises(BadInput, match=r"u/data\.json: not a record of MoisesDB \(KeyError: 'tracks'\)"):
        stems_of(str(tmp_path / "moisesdb_v0.1"), on_problem="keep")


@pytest.mark.parametrize(
    ("stem", "told"),
    [
        ({"stemName": None, "tracks": [{"id": "v"}]}, "stemName: None is no name"),
        ({"stemName": "vocals", "tracks": [{"id": ""}]}, "id: '' is no name"),
        (
            {"stemName": "vocals", "tracks": [{"id": "v", "has_bleed": "no"}]},
            "has_bleed: 'no' is neither true nor false",
        ),
    ],
)
def test_a_record_that_says_something_else_is_not_guessed_at(track, tmp_path, stem, told):
    track("u", ("vocals", [entry("v")]))
    (tmp_path / "moisesdb_v0.1" / "u" / "data.json").write_text(json.dumps({"stems": [stem]}))
    with pytest.raises(BadInput, match=rf"u/data\.json: not a record of MoisesDB \(TypeError: {told}"):
        stems_of(str(tmp_path / "moisesdb_v0.1"), on_problem="keep")


def test_a_file_that_is_named_twice_is_summed_once(track, tmp_path):
    track("u", ("vocals", [entry("v"), entry("v")]), ("drums", [entry("d"), entry("e")]), ("vocals", [entry("v")]))
    found = stems_of(str(tmp_path / "moisesdb_v0.1"))
    assert {s.stem: len(s.uris) for s in found.stems} == {"drums": 2, "vocals": 1}


def test_a_track_without_its_record_is_told(track, tone, tmp_path):
    track("u", ("vocals", [entry("v")]), ("drums", [entry("d")]))
    tone("moisesdb_v0.1/lost/vocals/v.wav")
    notes = {note.kind: note.text for note in stems_of(str(tmp_path / "moisesdb_v0.1")).notes}
    assert notes["stray"] == "1 audio file in no folder with such a record, first lost/vocals/v.wav"
