from __future__ import annotations

import json
import shutil
import struct
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.config import LABELS
from raysep.corpus import manifest
from raysep.corpus.inputs import Inputs, read_inputs, refuse
from raysep.corpus.layouts import stems_of
from raysep.corpus.leaks import Place
from raysep.errors import BadInput
from raysep.outcome import Outcome
from raysep.rundir import Run
from raysep.screen import Progress
from raysep.stages import check
from raysep.stages.check import Listening, listen, look_for_twins
from raysep.stages.passes import Pass

RATE = 8000


@pytest.fixture
def folders(tmp_path, write_tracks):
    """Corpus, reference and test of two tracks each."""
    return [write_tracks(tmp_path / name, (f"{name} 1", f"{name} 2")) for name in ("corpus", "trusted", "test")]


def inputs(folders) -> Inputs:
    return read_inputs(*folders, LABELS)


def over(context, again: bool = False) -> Pass:
    return Pass.of(context, check.STAGE, again)


# The pass


def test_every_track_of_every_role_is_listened_to_once(folders, make_context, here):
    context = make_context()
    heard = listen(over(context), vars(inputs(folders)), Listening())
    assert sorted(heard.prints) == sorted(
        Place(role, f"{name} {k}")
        for role, name in (("corpus", "corpus"), ("reference", "trusted"), ("test", "test"))
        for k in (1, 2)
    )
    assert len(heard.rows) == 24
    assert {row["outcome"] for row in heard.rows} == {Outcome.SCORED}
    again = listen(over(context), vars(inputs(folders)), Listening())
    assert here[1] == []
    assert again.rows == heard.rows
    assert all(np.array_equal(again.prints[p][""][0], heard.prints[p][""][0]) for p in heard.prints)


def test_only_tracks_that_changed_are_listened_to_again(folders, make_context, here):
    context = make_context()
    listen(over(context), vars(inputs(folders)), Listening(measures=True))
    file = Path(folders[0]) / "corpus 2" / "bass.wav"
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    listen(over(context), vars(inputs(folders)), Listening(measures=True))
    assert len(here[0]) > len(here[1]) == 1


def test_a_mixture_that_changed_is_compared_again(folders, make_context, here):
    context, mixture = make_context(), Path(folders[0]) / "corpus 1" / "mixture.wav"
    stems = [soundfile.read(mixture.with_name(f"{label}.wav"))[0] for label in LABELS]
    for wanted in (sum(stems), sum(stems[:3])):
        soundfile.write(mixture, wanted, RATE, subtype="FLOAT")
        heard = listen(over(context), {"corpus": inputs(folders).corpus}, Listening(measures=True))
        (row,) = [row for row in heard.rows if row["stem"] == "mixture"]
        assert (row["residual_db"] < -60) == (len(here) == 1)
    assert len(here[1]) == 1


def test_more_is_asked_than_was_listened_for(folders, make_context, here):
    context = make_context()
    listen(over(context), vars(inputs(folders)), Listening())
    heard = listen(over(context), vars(inputs(folders)), Listening(measures=True))
    assert here[0] == here[1]
    assert all(row["peak"] > 0 for row in heard.rows)


def test_a_lost_shard_is_rows_that_failed(folders, make_context, here, monkeypatch):
    def fail(*arguments, **options):
        raise MemoryError("too large")

    monkeypatch.setattr(check.checkup, "check_track", fail)
    heard = listen(over(make_context()), vars(inputs(folders)), Listening())
    assert len(heard.rows) == 24
    assert {(row["outcome"], row["message"]) for row in heard.rows} == {(Outcome.FAILED, "MemoryError: too large")}


# Ten guises of one song


def copied(folder: Path, source: Path, change, ending: str = ".wav", **options) -> None:
    """A track in ``folder`` whose stems are those of ``source``, changed."""
    folder.mkdir(parents=True)
    for label in LABELS:
        audio, rate = soundfile.read(source / f"{label}.wav", always_2d=True)
        audio, rate = change(audio, rate)
        soundfile.write(folder / f"{label}{ending}", audio, rate, **options)


def tagged(folder: Path, source: Path) -> None:
    folder.mkdir(parents=True)
    note = b"LIST" + struct.pack("<I", 16) + b"INFOINAM" + struct.pack("<I", 4) + b"abc\0"
    for label in LABELS:
        data = (source / f"{label}.wav").read_bytes() + note
        (folder / f"{label}.wav").write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])


def resampled(audio: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    from raysep.audio.resample import resample

    return resample(audio.T.astype(np.float32), rate, 11_025).T, 11_025


GUISES = {
    "renamed": lambda ref, song: shutil.copytree(song, ref / "z"),
    "in an album": lambda ref, song: shutil.copytree(song, ref / "album" / "z"),
    "as FLAC": lambda ref, song: copied(ref / "z", song, lambda x, r: (x, r), ".flac"),
    "as Vorbis": lambda ref, song: copied(ref / "z", song, lambda x, r: (x, r), ".ogg"),
    "as MP3": lambda ref, song: copied(ref / "z", song, lambda x, r: (x, r), ".mp3"),
    "tagged": lambda ref, song: tagged(ref / "z", song),
    "trimmed": lambda ref, song: copied(ref / "z", song, lambda x, r: (x[round(0.713 * r) :], r)),
    "quieter": lambda ref, song: copied(ref / "z", song, lambda x, r: (0.7 * x, r)),
    "in stereo": lambda ref, song: copied(ref / "z", song, lambda x, r: (np.repeat(x, 2, axis=1), r)),
    "at another rate": lambda ref, song: copied(ref / "z", song, resampled),
}


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    """Two songs of 6 s."""
    from raysep.corpus.songs.synthesis import synthesise

    folder = tmp_path_factory.mktemp("songs")
    synthesise(str(folder), 2, 6.0, RATE, seed=3, workers=1)
    return folder


@pytest.mark.parametrize("guise", GUISES)
def test_a_song_is_found_in_every_guise(guise, songs, tmp_path, make_context, here):
    reference = tmp_path / "reference"
    GUISES[guise](reference, songs / "song-0001")
    found = Inputs(stems_of(str(songs)).stems, stems_of(str(reference), split="reference").stems, [])
    with pytest.raises(
        BadInput, match=r"^--reference: holds 1 songs of the corpus \((album/)?z is song-0001 \(.*--allow-twins"
    ):
        look_for_twins(make_context(), found, refuse)


@pytest.mark.parametrize(
    ("there", "other"), [("Für Elise", unicodedata.normalize("NFD", "Für Elise")), ("b", "B"), ("a b", "a  b")]
)
def test_a_name_in_another_spelling_is_refused_before_any_work(there, other, tmp_path, write_tracks):
    corpus = write_tracks(tmp_path / "corpus", [there, "x"], seconds=0.2)
    reference = write_tracks(tmp_path / "reference", [other], seconds=0.2, seed=5)
    with pytest.raises(BadInput, match=r"^--reference: shares 1 tracks with the corpus"):
        read_inputs(corpus, reference, None, LABELS)


# What a run does about it


def test_songs_of_their_own_are_let_through(folders, make_context, here):
    context = make_context()
    look_for_twins(context, inputs(folders), refuse)
    assert context.run.read_json("twins.json") == []
    look_for_twins(context, inputs(folders), refuse)
    assert len(here) == 1  # looked up, not listened to again


def test_allowed_twins_are_told_and_known_afterwards(folders, make_context, here):
    copied(Path(folders[2]) / "z", Path(folders[0]) / "corpus 1", lambda x, r: (0.5 * x, r))
    context, told = make_context(), []
    for _ in range(2):
        look_for_twins(context, inputs(folders), told.append)
    assert len(here) == 1
    assert told[0] == told[1]
    assert told[0].startswith("--test: holds 1 songs of the corpus (z is corpus 1 (100 % of its sound))")


def test_copies_within_the_corpus_are_said_and_not_refused(folders, make_context, here, capsys):
    from dataclasses import replace

    copied(Path(folders[0]) / "corpus 1 (1)", Path(folders[0]) / "corpus 1", lambda x, r: (0.5 * x, r))
    context = replace(make_context(), progress=Progress())
    look_for_twins(context, inputs(folders), refuse)
    told = " ".join(capsys.readouterr().err.split())
    assert "1 tracks of the corpus are copies of another, first corpus 1 (1) of corpus 1" in told


def test_a_reference_that_holds_a_song_twice_is_refused(folders, make_context, here):
    copied(Path(folders[1]) / "again", Path(folders[1]) / "trusted 2", lambda x, r: (0.5 * x, r))
    with pytest.raises(BadInput, match=r"^--reference: holds 1 songs more than once \(trusted 2 is again"):
        look_for_twins(make_context(), inputs(folders), refuse)


def test_tracks_too_short_to_compare_are_said(folders, make_context, here, capsys, write_tracks):
    from dataclasses import replace

    write_tracks(Path(folders[2]), ["short"], seconds=0.5)
    look_for_twins(replace(make_context(), progress=Progress()), inputs(folders), refuse)
    told = " ".join(capsys.readouterr().err.split())
    assert "too short or too silent to be compared with others: 1 tracks, first short of the test tracks" in told


def test_integers_written_as_floats_are_said_once(folders, make_context, here, capsys):
    from dataclasses import replace

    file = Path(folders[0]) / "corpus 1" / "bass.wav"
    for label in ("bass", "drums"):
        audio, rate = soundfile.read(file.with_name(f"{label}.wav"), dtype="float32", always_2d=True)
        soundfile.write(file.with_name(f"{label}.wav"), audio * 2**15, rate, "FLOAT")
    look_for_twins(replace(make_context(), progress=Progress()), inputs(folders), refuse)
    told = "".join(capsys.readouterr().err.split())  # however it is wrapped
    assert told.count("fullscale,takenastheyare") == 1
    assert (
        f"2 files far above full scale, taken as they are, first {file}: its samples go up to".replace(" ", "") in told
    )


def test_a_part_says_what_it_was_made_of(folders, make_context, here):
    context = make_context()
    listen(over(context), {"corpus": inputs(folders).corpus}, Listening())
    run = Run(context.run.root)
    markers = run.markers(check.STAGE)
    assert sum(marker["counts"]["rows"] for marker in markers.values()) == 8
    assert all(json.dumps(marker) for marker in markers.values())
    assert set(manifest.tracks_of(inputs(folders).corpus)) == {"corpus 1", "corpus 2"}
