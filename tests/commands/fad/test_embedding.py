from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from raysep.commands.fad.embedding import Embedding, Located, StemEmbedder, embed, read_rows, read_vectors
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput
from raysep.probes.embedders.base import audible_frames
from raysep.probes.embedders.logmel import LogMelEmbedder
from raysep.rundir import Run

RATE = 8000


@pytest.fixture
def stems(tmp_path, write_tracks):
    write_tracks(tmp_path / "corpus", ["A"], seconds=3.0)
    soundfile.write(tmp_path / "corpus" / "A" / "drums.wav", np.zeros(3 * RATE), RATE)
    return {stem.stem: stem for stem in stems_of(str(tmp_path / "corpus")).stems}


def test_frames_are_those_of_the_embedder(stems, tmp_path):
    row, frames = embed(LogMelEmbedder(RATE), stems["bass"])
    audio = soundfile.read(tmp_path / "corpus" / "A" / "bass.wav", dtype="float32", always_2d=True)[0].T
    assert np.array_equal(frames, audible_frames(LogMelEmbedder(RATE), audio, RATE))
    assert row == {"outcome": "scored", "message": "", "frames": 5, "seconds": 3.0}


def test_silence_short_stems_and_broken_files_are_told_apart(stems, tmp_path):
    embedder = LogMelEmbedder(RATE)
    row, frames = embed(embedder, stems["drums"])
    assert (row["outcome"], frames.shape) == ("silent", (0, 128))
    assert row["message"] == "0 audible frames of 1 s: a distance needs 2"
    soundfile.write(tmp_path / "corpus" / "A" / "other.wav", np.full(RATE, 0.1), RATE)
    row, _ = embed(embedder, replace(stems["other"], frames=RATE, etag=""))
    assert (row["outcome"], row["frames"]) == ("silent", 1)
    row, frames = embed(embedder, stems["other"])
    assert (row["outcome"], len(frames)) == ("failed", 0)
    assert "other.wav" in row["message"]
    assert embed(embedder, replace(stems["bass"], uri="/no/such.wav"))[0]["outcome"] == "failed"


def test_channels_that_cancel_are_named_and_not_silent(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal((3 * RATE, 1))
    for name, gains in (("plain", (1, 1)), ("reversed", (1, -1)), ("nearly", (1, -0.9))):
        soundfile.write(tmp_path / f"{name}.wav", noise * np.array(gains), RATE)
    found = {
        stem.track: embed(LogMelEmbedder(RATE), stem) for stem in stems_of(str(tmp_path), ("audio",), songs=True).stems
    }
    plain, frames = found["plain.wav"]
    assert plain["message"] == ""
    for name, level in (("reversed", 76), ("nearly", 26)):  # dB; 16 bits leave a little of opposites
        row, own = found[f"{name}.wav"]
        assert (row["outcome"], row["frames"]) == ("scored", plain["frames"])
        assert row["message"].startswith(f"channels cancel (mono is {level} dB")
        assert own == pytest.approx(frames, abs=2e-2)  # the loudest channel is the plain one; both to one level


def test_a_shard_is_written_with_its_marker(stems, tmp_path):
    run = Run(str(tmp_path / "run"))
    work = StemEmbedder(root=run.root, fingerprint={3: "abc"}, embedding=Embedding("logmel", RATE))()
    broken = replace(stems["vocals"], uri="/no/such.wav")
    counts = work(3, [Located(stems["bass"], "corpus/A/bass", 3), Located(broken, "corpus/A/vocals", 3)])
    assert counts == {"rows": 2, "failed": 1}
    assert (run.markers("embed")[3]["counts"], run.markers("embed")[3]["fingerprint"]) == (counts, "abc")
    assert read_rows(run, 3)["corpus/A/bass"]["frames"] == 5
    assert read_vectors(run, 3)["corpus/A/bass"].shape == (5, 128)
    assert read_vectors(run, 3)["corpus/A/vocals"].shape == (0, 128)


def test_a_worker_with_other_weights_does_not_begin(tmp_path):
    known = Embedding("aisfx", RATE).build().weights_digest
    Embedding("aisfx", RATE, weights_digest=known).build()
    other = Embedding("aisfx", RATE, weights_digest="0" * 64)
    with pytest.raises(BadInput, match=rf"aisfx: these weights \({known[:12]}\) are not those .* \(000000000000\)"):
        StemEmbedder(root=str(tmp_path), fingerprint={}, embedding=other)()
