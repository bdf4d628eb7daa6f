"""An exported corpus as the trainers that it is for read it; docs/msst.md and docs/trainers.md promise this."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from raysep.rundir import Run
from raysep.separators.torchaudio_parts import models
from tests.commands.export.conftest import LABELS, RATE, decide, write_corpus
from tests.commands.export.exports import export
from tests.commands.export.readers import Msst, demucs_tracks

CHUNK = 1500
GONE = {"keep": False, "weight": 0.0}


@pytest.fixture
def mixed(tmp_path) -> str:
    """A run over tracks that lie in many ways: WAV, FLAC, an Ogg, a mono stem, a mono track; one bass removed, one stem relabelled."""
    corpus = Path(write_corpus(tmp_path / "mixed"))
    shutil.rmtree(corpus / "C")
    for track, channels in (("C", 2), ("D", 1)):
        (corpus / track).mkdir()
        for k, label in enumerate(LABELS):
            ending = {"drums": "flac", "other": "ogg"}.get(label, "wav")
            noise = 0.1 * np.random.default_rng([9, k]).standard_normal((RATE, 1 if label == "vocals" else channels))
            soundfile.write(corpus / track / f"{label}.{ending}", noise, RATE)
    return decide(
        Run(str(tmp_path / "mixed-run")), str(corpus), "relabel", A_bass=GONE, B_drums=GONE | {"label": "bass"}
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_msst_draws_every_kept_stem_from_its_pool(mixed, tmp_path, rng):
    done = export(mixed, tmp_path / "pool", "msst")
    read = Msst(tmp_path / "pool", 2, ("vocals", "drums", "bass", "other"))
    assert sum(map(len, read.pools.values())) == done.stems == 15
    assert [file.name for file in read.pools["bass"]] == [
        "B [live] (bass).wav",
        "B [live] (drums).wav",
        "C.wav",
        "D.wav",
    ]
    for _ in range(30):
        stems, mixture = read.draw(CHUNK, rng)
        assert stems.shape == (4, 2, CHUNK)
        assert np.allclose(mixture, stems.sum(0))


def test_a_mono_stem_is_alike_on_both_sides_where_there_is_stereo(mixed, tmp_path, audio):
    done = export(mixed, tmp_path / "pool", "msst")
    found = audio(tmp_path / "pool/vocals/D.wav")
    was = audio(tmp_path / "mixed/D/vocals.wav")
    assert np.array_equal(found, np.repeat(was, 2, axis=0))
    assert any(note.startswith("5 stems are mono, first ") for note in done.notes)
    # What is stereo already is a copy, byte for byte.
    assert (tmp_path / "pool/bass/C.wav").read_bytes() == (tmp_path / "mixed/C/bass.wav").read_bytes()


def test_a_mono_corpus_stays_as_it_is(tmp_path, rng):
    (tmp_path / "mono/A").mkdir(parents=True)
    for label in LABELS:
        soundfile.write(tmp_path / "mono/A" / f"{label}.wav", 0.1 * rng.standard_normal(RATE), RATE)
    done = export(decide(Run(str(tmp_path / "r")), str(tmp_path / "mono")), tmp_path / "pool", "msst")
    assert done.notes == ()
    assert (tmp_path / "pool/bass/A.wav").read_bytes() == (tmp_path / "mono/A/bass.wav").read_bytes()


def test_a_rate_that_msst_would_read_as_another_is_told(tmp_path, rng):
    corpus = Path(write_corpus(tmp_path / "rates"))
    for label in LABELS:
        soundfile.write(corpus / "C" / f"{label}.wav", 0.1 * rng.standard_normal((RATE, 2)), 2 * RATE)
    run = decide(Run(str(tmp_path / "r")), str(corpus))
    for form in ("msst", "musdb"):
        notes = export(run, tmp_path / form, form).notes
        assert any(note.startswith("4 stems are not of 8000 Hz as the others, first C/bass") for note in notes), form


@pytest.mark.parametrize("kind", [1, 4])
def test_msst_reads_complete_tracks_at_random_and_aligned(mixed, tmp_path, rng, kind):
    export(mixed, tmp_path / "tracks", "musdb")
    read = Msst(tmp_path / "tracks", kind, ("vocals", "drums", "bass", "other"))
    assert [track.name for track in read.tracks] == ["C", "D"]  # A lost its bass, the drums of B are bass
    for _ in range(20):
        stems, _ = read.draw(CHUNK, rng)
        assert stems.shape == (4, 2, CHUNK)
    if kind == 4:  # of one place: their sum is a part of the mixture that was written
        _, mixture = read.draw(CHUNK, rng)
        wholes = [soundfile.read(t / "mixture.wav", dtype="float32", always_2d=True)[0].T for t in read.tracks]
        assert any(np.abs(_windows(whole, mixture)).min() < 1e-3 for whole in wholes)


def _windows(whole: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Largest difference of ``part`` to each place of ``whole``."""
    places = np.lib.stride_tricks.sliding_window_view(whole[0], part.shape[1])
    return np.abs(places - part[0]).max(axis=1)


def test_silence_in_place_of_a_stem_is_what_the_page_warns_of(mixed, tmp_path, rng):
    export(mixed, tmp_path / "padded", "musdb", missing="silence")
    read = Msst(tmp_path / "padded", 4, ("vocals", "drums", "bass", "other"))
    assert len(read.tracks) == 4
    assert read.draw(CHUNK, rng)[0].shape == (4, 2, CHUNK)
    shutil.rmtree(tmp_path / "padded/C")
    shutil.rmtree(tmp_path / "padded/D")
    shutil.rmtree(tmp_path / "padded/A")  # what is left has no audible drums
    with pytest.raises(AssertionError, match="draw drums for ever"):
        Msst(tmp_path / "padded", 1, ("vocals", "drums", "bass", "other")).draw(CHUNK, rng)


def test_demucs_finds_all_sources_and_the_mixture_of_one_length(mixed, tmp_path):
    export(mixed, tmp_path / "dataset/train", "musdb", missing="silence")
    found = demucs_tracks(tmp_path / "dataset/train", ("drums", "bass", "other", "vocals"))
    assert found == {"A": 4000, "B [live]": 4000, "C": RATE, "D": RATE}


def _load_audio(path, start=0.0, dur=None, info=None):
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T), rate


def test_the_open_unmix_package_reads_both_forms(mixed, tmp_path, monkeypatch):
    """Its own classes; their files are read by libsndfile, since the torchaudio they call has no reader any more."""
    models()  # the package imports torchaudio, which here may need help
    data = pytest.importorskip("openunmix.data")
    monkeypatch.setattr(data, "load_audio", _load_audio)
    monkeypatch.setattr(data, "load_info", lambda path: {"duration": soundfile.info(path).duration})
    export(mixed, tmp_path / "dataset/train", "musdb")
    others = ["bass.wav", "drums.wav", "other.wav"]
    tracks = data.FixedSourcesTrackFolderDataset(str(tmp_path / "dataset"), "train", "vocals.wav", others)
    assert sorted(track["path"].name for track in tracks.tracks) == ["C", "D"]
    mixture, vocals = tracks[0]
    written = _load_audio(tracks.tracks[0]["path"] / "mixture.wav")[0]
    assert torch.allclose(mixture, written, atol=2e-4)  # 16 bits each
    assert vocals.shape == (2, RATE)
    export(mixed, tmp_path / "pooled/train", "msst")
    pool = data.SourceFolderDataset(
        str(tmp_path / "pooled"),
        "train",
        "vocals",
        ["bass", "drums", "other"],
        ext=".wav",
        nb_samples=4,
        seq_duration=0.2,
    )
    assert len(pool.source_tracks["vocals"]) == 4
