"""What no small corpus shows: that nothing is told of many songs in which nothing is wrong, and the command on real workers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.commands.check.check import CheckRequest, check
from raysep.corpus import leaks, manifest
from raysep.corpus.layouts import LABELS, stems_of
from raysep.corpus.leaks import Place
from raysep.probes.checkup import check_track, mixture_beside
from raysep.probes.flaws import Measures, flaws_of
from raysep.rundir import Run
from raysep.stages.check import Listening, listen
from raysep.stages.passes import Pass

pytestmark = pytest.mark.slow
RATE, SONGS = 8000, 64  # 2016 pairs


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    from raysep.corpus.songs.synthesis import synthesise

    folder = tmp_path_factory.mktemp("songs")
    synthesise(str(folder), SONGS, 8.0, RATE, seed=4, workers=1)
    return folder


@pytest.fixture(scope="module")
def tracks(songs) -> dict:
    return {name: list(stems.values()) for name, stems in manifest.tracks_of(stems_of(str(songs)).stems).items()}


@pytest.fixture(scope="module")
def checked(tracks) -> dict:
    return {name: check_track(stems, mixture=mixture_beside(stems)) for name, stems in tracks.items()}


@pytest.mark.long
def test_nothing_is_told_of_songs_in_which_nothing_is_wrong(checked):
    names = Measures.__dataclass_fields__
    for track in checked.values():
        for row in track.rows:
            if row["stem"] == "mixture":
                assert row["residual_db"] < -50
            else:
                measures = Measures(**{name: row[name] for name in names})
                told = [one for one in flaws_of(measures, RATE, 2, "WAV/PCM_16") if one.what != "silent"]
                assert told == [], row["uri"]


@pytest.mark.long
def test_no_two_of_many_songs_are_one(checked):
    found = leaks.find({Place("corpus", name): track.prints for name, track in checked.items()})
    assert [one for one in found if one.is_song] == []


@pytest.mark.long
def test_songs_that_share_a_drum_loop_are_two_songs(checked, tracks, tmp_path):
    for (lender, lent), (name, own) in pairwise(list(tracks.items())[:24]):
        (tmp_path / name).mkdir()
        for stem in own:
            source = next(s for s in lent if s.stem == "drums") if stem.stem == "drums" else stem
            (tmp_path / name / f"{stem.stem}.wav").write_bytes(Path(source.uri).read_bytes())
        remix = check_track(list(manifest.tracks_of(stems_of(str(tmp_path)).stems)[name].values()), measures=False)
        prints = {Place("corpus", lender): checked[lender].prints, Place("test", name): remix.prints}
        found = leaks.find(prints)
        assert [one.stems for one in found] == [(("drums", "drums"),)], lender
        assert not any(one.is_leak for one in found)


def test_the_command_on_real_workers(ray_runtime, tmp_path, write_tracks, make_context):
    corpus = Path(write_tracks(tmp_path / "corpus", [f"t{k}" for k in range(4)]))
    audio, rate = soundfile.read(corpus / "t1" / "bass.wav")
    soundfile.write(corpus / "t1" / "bass.wav", np.repeat(audio[:, None], 2, axis=1), rate)
    run = check(CheckRequest(str(corpus), str(tmp_path / "out"), quiet=True))
    rows = Run(run.root).read_table("check.parquet").to_pylist()
    assert [(row["what"], row["track"], row["stem"]) for row in rows] == [("mono in stereo", "t1", "bass")]
    here = listen(
        Pass.of(make_context(), "check"), {"corpus": stems_of(str(corpus), on_problem="collect").stems}, Listening(True)
    )
    there = {(row["track"], row["stem"]): row["level_dbfs"] for row in run.read_table("stems.parquet").to_pylist()}
    assert {(row["track"], row["stem"]): row["level_dbfs"] for row in here.rows} == there
    assert len(there) == 4 * len(LABELS)
