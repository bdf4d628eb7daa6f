from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.commands.evaluate import models, worker
from raysep.commands.evaluate.worker import Measuring, TrackEvaluator
from raysep.corpus import manifest
from raysep.corpus.layouts import LABELS, stems_of
from raysep.corpus.reading import read_stem
from raysep.errors import AudioError, BadInput
from raysep.evaluation import framewise_sdr, global_sdr
from raysep.rundir import Run
from raysep.separators import checkpoint, inference


@pytest.fixture
def model(make_context, save_network):
    context = make_context()
    save_network(context, "a-seed0", steps=1)
    return models.find([context.run.root])[0]


@pytest.fixture
def tracks(tmp_path, write_tracks):
    """track → label → stem of a corpus at the network's rate, in mono."""
    return manifest.tracks_of(stems_of(write_tracks(tmp_path / "test", ["T", "U"], seconds=2.5)).stems)


def by_label(place, track: str = "T") -> dict:
    return manifest.tracks_of(stems_of(str(place)).stems)[track]


def evaluator(tmp_path, model, **options) -> TrackEvaluator:
    options = Measuring(**({"measures": ("sdr", "framewise_sdr")} | options))
    return TrackEvaluator(root=str(tmp_path / "out"), fingerprint="fp", models=(model,), labels=LABELS, options=options)


def test_the_numbers_are_those_of_the_separated_sum_of_stems(tmp_path, model, tracks):
    rows, frames = evaluator(tmp_path, model, frames=True).track("T", tracks["T"])
    network = checkpoint.network_of(checkpoint.from_bytes(Path(model.uri).read_bytes(), model.uri))
    held = tracks["T"]
    references = np.stack([read_stem(held[label], 8000, 1) for label in LABELS])
    estimates = np.asarray(inference.separate(network, references.sum(axis=0)))
    references, estimates = references.transpose(0, 2, 1), estimates.transpose(0, 2, 1)
    expected, in_frames = global_sdr(references, estimates), framewise_sdr(references, estimates, 8000)
    assert [row["stem"] for row in rows] == list(LABELS)
    for row, sdr, frame in zip(rows, expected, in_frames, strict=True):
        assert row["sdr"] == sdr
        assert row["framewise_sdr"] == pytest.approx(np.median(frame), abs=1e-5)
        assert (row["model"], row["seed"], row["track"], row["outcome"]) == ("a", 0, "T", "scored")
        assert (row["seconds"], row["frames"], row["message"]) == (2.5, 2, "")
    assert [(f["stem"], f["frame"]) for f in frames] == [(stem, t) for stem in LABELS for t in (0, 1)]
    assert [f["sdr"] for f in frames] == in_frames.ravel().tolist()


def test_a_track_is_judged_at_its_own_rate_and_channels(tmp_path, model):
    """A stereo track at twice the network's rate: what the network cannot give above 4 kHz counts as missing."""
    folder, rng = tmp_path / "wide" / "T", np.random.default_rng(0)
    folder.mkdir(parents=True)
    for label in LABELS:
        soundfile.write(folder / f"{label}.wav", 0.1 * rng.standard_normal((16001, 2)), 16000)
    stems = by_label(tmp_path / "wide")
    references, rate = worker.read_track("T", stems, LABELS)
    assert (references.shape, rate) == ((4, 2, 16001), 16000)
    found = worker.estimate(model, references.sum(axis=0), rate, {})
    assert found.shape == (4, 2, 16001)
    above = np.abs(np.fft.rfft(found))[..., 9000:]  # bins of 1 Hz, so above 4.5 of the 8 kHz of white noise
    assert (above**2).sum() < 1e-4 * (np.abs(np.fft.rfft(found)) ** 2).sum()
    rows, _ = evaluator(tmp_path, model).track("T", stems)
    assert {row["outcome"] for row in rows} == {"scored"}


def test_six_channels_are_judged_as_they_are_trained_on(tmp_path, model):
    folder, rng = tmp_path / "surround" / "T", np.random.default_rng(0)
    folder.mkdir(parents=True)
    audio = {label: (0.05 * rng.standard_normal((8000, 6))).astype(np.float32) for label in LABELS}
    for label in LABELS:
        soundfile.write(folder / f"{label}.wav", audio[label], 8000, "FLOAT")
    stems = {stem.stem: stem for stem in stems_of(str(tmp_path / "surround")).stems}
    references, _ = worker.read_track("T", stems, LABELS)
    assert references.shape == (4, 2, 8000)
    for label, reference in zip(LABELS, references, strict=True):
        assert reference[0] == pytest.approx(audio[label].mean(axis=1), abs=1e-6)
        assert np.array_equal(reference[0], reference[1])


def test_the_baseline_is_the_mixture_as_every_stem(tmp_path, tracks):
    base = models.baseline(LABELS)
    rows, _ = evaluator(tmp_path, base).track("T", tracks["T"])
    references, _ = worker.read_track("T", tracks["T"], LABELS)
    others = references.sum(axis=0) - references
    expected = 10 * np.log10((references.astype(float) ** 2).sum(axis=(1, 2)) / (others**2).sum(axis=(1, 2)))
    assert [row["sdr"] for row in rows] == pytest.approx(expected.tolist(), abs=1e-3)
    assert {(row["model"], row["seed"]) for row in rows} == {("mixture", None)}


def test_a_model_of_one_stem_separates_the_whole_mixture(tmp_path, model, tracks):
    lone = replace(model, stems=("bass",))  # its estimates are four: the shapes no longer agree
    rows, _ = evaluator(tmp_path, lone).track("T", tracks["T"])
    assert [(row["stem"], row["outcome"]) for row in rows] == [("bass", "failed")]
    base = models.baseline(("bass",))
    whole, _ = evaluator(tmp_path, models.baseline(LABELS)).track("T", tracks["T"])
    one, _ = evaluator(tmp_path, base).track("T", tracks["T"])
    assert one[0]["sdr"] == whole[LABELS.index("bass")]["sdr"]


def test_a_track_that_cannot_be_read_is_rows_with_the_reason(tmp_path, model, tracks):
    broken = tracks["T"] | {"bass": replace(tracks["T"]["bass"], uri="/no/gone.wav")}
    work = evaluator(tmp_path, model, frames=True)
    counts = work.run(7, {"T": broken, "U": tracks["U"]})
    assert counts == {"rows": 8, "failed": 1}
    run = Run(str(tmp_path / "out"))
    rows = run.read_table(worker.part(7)).to_pylist()
    assert [row["outcome"] for row in rows] == ["failed"] * 4 + ["scored"] * 4
    assert "gone.wav: cannot be read" in rows[0]["message"]
    assert rows[0]["sdr"] is None
    assert set(run.read_table(worker.part(7, "frames"))["track"].to_pylist()) == {"U"}
    assert run.shards_done("evaluate", "fp")[7]["counts"] == counts


def test_one_model_failing_leaves_the_others(tmp_path, model, tracks):
    odd = replace(model, name="odd", uri="/no/such.safetensors")
    work = replace(evaluator(tmp_path, model), models=(odd, model))
    rows, _ = work.track("T", tracks["T"])
    assert [(row["model"], row["outcome"]) for row in rows] == [("odd", "failed")] * 4 + [("a", "scored")] * 4
    assert rows[0]["message"].startswith("FileNotFoundError")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_estimate_that_is_not_finite_fails_the_track_and_names_model_track_and_stem(
    tmp_path, model, tracks, monkeypatch, value
):
    whole = worker.estimate

    def estimate(candidate, mixture, rate, separation):
        found = whole(candidate, mixture, rate, separation)
        if candidate.name == "broken":
            found[LABELS.index("bass"), 0, 17] = value
        return found

    monkeypatch.setattr(worker, "estimate", estimate)
    work = replace(evaluator(tmp_path, model), models=(replace(model, name="broken", seed=3), model))
    rows, _ = work.track("T", tracks["T"])
    assert [(row["model"], row["outcome"]) for row in rows] == [("broken", "failed")] * 4 + [("a", "scored")] * 4
    assert rows[0]["message"].startswith(f"broken (seed 3): its bass of T holds NaN or Inf, so {model.uri} is broken")
    assert "sdr" not in rows[0]


def test_what_is_undefined_is_scored_with_a_note(tmp_path, model, write_tracks):
    folder = write_tracks(tmp_path / "quiet", ["T"], seconds=1.5)
    soundfile.write(Path(folder) / "T" / "drums.wav", np.zeros(12000), 8000)
    rows, frames = evaluator(tmp_path, model, frames=True).track("T", by_label(folder))
    assert {row["outcome"] for row in rows} == {"scored"}
    assert np.isnan([row["framewise_sdr"] for row in rows]).all()
    assert "silent throughout" in rows[0]["message"]
    assert frames == []


def test_a_silent_reference_has_a_residue_and_no_sdr_with_the_reason(tmp_path, model, write_tracks):
    folder = write_tracks(tmp_path / "quiet", ["T"], seconds=1.5)
    soundfile.write(Path(folder) / "T" / "drums.wav", np.full(12000, 5e-4), 8000, subtype="FLOAT")  # -66 dBFS
    work = evaluator(tmp_path, model, measures=("sdr", "si_sdr", "residue", "challenge_sdr"))
    rows = {row["stem"]: row for row in work.track("T", by_label(folder))[0]}
    drums, bass = rows["drums"], rows["bass"]
    assert (drums["outcome"], drums["silent"], bass["silent"]) == ("scored", True, False)
    assert np.isnan([drums["sdr"], drums["si_sdr"]]).all()
    assert np.isfinite([drums["residue"], drums["challenge_sdr"], bass["sdr"]]).all()
    assert drums["message"] == "no SDR: the reference is silent (up to -60 dBFS RMS)"
    assert (bass["residue"], bass["message"]) == (None, "")


def test_a_track_is_judged_over_the_stems_that_it_has(tmp_path, model, tracks):
    there = {label: stem for label, stem in tracks["T"].items() if label != "vocals"}
    rows, frames = evaluator(tmp_path, model, frames=True).track("T", there)
    assert [row["stem"] for row in rows] == ["drums", "bass", "other"] == list(dict.fromkeys(f["stem"] for f in frames))
    network = checkpoint.network_of(checkpoint.from_bytes(Path(model.uri).read_bytes(), model.uri))
    references = np.stack([read_stem(there[label], 8000, 1) for label in LABELS[1:]])
    estimates = np.asarray(inference.separate(network, references.sum(axis=0)))[1:]
    expected = global_sdr(references.transpose(0, 2, 1), estimates.transpose(0, 2, 1))
    assert [row["sdr"] for row in rows] == list(expected)


def test_what_cannot_be_a_track_is_named(tracks, tmp_path):
    with pytest.raises(BadInput, match=r"T: has one stem alone, so its mixture is not known"):
        worker.read_track("T", tracks["T"], ("vocals",))
    with pytest.raises(AudioError, match=r"gone\.wav"):
        worker.read_track("T", tracks["T"] | {"bass": replace(tracks["T"]["bass"], uri="/gone.wav")}, LABELS)


def test_the_tables_have_a_column_for_each_measure():
    options = Measuring(("sdr", "framewise_sdr", "sir"), frames=True)
    assert options.schema.names == [
        *("model", "seed", "track", "stem", "outcome", "message", "seconds", "silent"),
        *("sdr", "framewise_sdr", "sir", "conditioned", "frames"),
    ]
    assert options.frame_schema.names == ["model", "seed", "track", "stem", "frame", "sdr", "sir"]
    assert "conditioned" not in Measuring(("sdr",)).schema.names
