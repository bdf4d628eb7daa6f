from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.naming import Naming, guesses, is_mixture, named, other_audio

FOUR = Naming(("vocals", "drums", "bass", "other"))


def files(*names: str) -> list[File]:
    return [File(f"/c/Song/{name}", 1, PurePosixPath("Song", name)) for name in names]


@pytest.mark.parametrize("name", ["vocals", "VOCALS", "Vocals"])
def test_the_label_in_any_case(name):
    assert FOUR.of(name) == ("vocals", False)


@pytest.mark.parametrize(
    "name",
    [
        "01_VOCALS",
        "1 - vocals",
        "03.vocals",
        "Song - Vocals",
        "song_vocals",
        "Any Song (Vocals)",
        "x [vox]",
        "vox",
        "Vocal",
    ],
)
def test_the_usual_ways_to_write_it(name):
    assert FOUR.of(name, "Song") == ("vocals", True)


@pytest.mark.parametrize(
    "name", ["kick drum", "backing vocals", "vocals2", "drum bass", "guitar", "Instrumental", "mixture", "bassoon"]
)
def test_what_may_be_something_else(name):
    assert FOUR.of(name, "Song") is None


def test_an_instrumental_is_the_other_of_two():
    assert Naming(("vocals", "other")).of("Instrumental") == ("other", True)
    assert Naming(("vocals", "instrumental")).of("no_vocals") == ("instrumental", True)


def test_names_that_are_summed_are_looked_for_in_their_place():
    naming = Naming(("vocals", "other"), {"other": ("guitar", "piano")})
    assert naming.names == ("vocals", "guitar", "piano")
    assert naming.of("Guitar") == ("guitar", False)
    assert naming.of("other") is None


def test_a_name_as_it_is_wins_over_one_that_may_be_meant():
    found = named(
        files("vocals.wav", "01_vocals.wav", "02_drums.wav", "mixture.wav", "mix.flac", "guitar.wav"), FOUR, "Song"
    )
    assert {name: [f.path.name for f in held] for name, held in found.stems.items()} == {
        "vocals": ["vocals.wav"],
        "drums": ["02_drums.wav"],
    }
    assert [f.path.name for f in found.guessed] == ["02_drums.wav"]
    assert [f.path.name for f in found.others] == ["guitar.wav", "01_vocals.wav"]
    assert guesses(found.guessed)[0].text == "1 file taken as a stem by its name, Song/02_drums.wav"
    assert guesses([]) == []


def test_no_offer_where_a_name_could_not_be_written():
    assert other_audio(files("a+b.wav"), FOUR)[0].text == "a+b.wav in 1 track: no label of yours"


def test_mixtures():
    assert [is_mixture(f) for f in files("mixture.wav", "Mix.flac", "mixed.wav")] == [True, True, False]
