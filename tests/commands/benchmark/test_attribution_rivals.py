"""What is removed, how near the reference a stem is, and what a removal brought."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from raysep import config as settings
from raysep.commands.benchmark import attribution_figures, attribution_rivals
from raysep.corpus.layouts import stems_of
from raysep.rundir import Run


def test_the_worst_are_those_with_the_lowest_scores_of_each_label():
    labels = np.repeat(["a", "b"], 10)
    score = np.r_[np.arange(10.0), 100 + np.arange(10.0)[::-1]]
    assert np.flatnonzero(attribution_rivals.worst(score, labels, 0.2, 1)).tolist() == [0, 1, 18, 19]
    assert not attribution_rivals.worst(score, labels, 0.0, 1).any()
    ties = [attribution_rivals.worst(np.zeros(20), labels, 0.2, seed) for seed in (1, 1, 2)]
    assert (ties[0] == ties[1]).all()
    assert (ties[0] != ties[2]).any()
    assert [each[labels == "a"].sum() for each in ties] == [2, 2, 2]
    score[:9] = np.nan
    assert attribution_rivals.worst(score, labels, 0.1, 1)[9]  # what has no score is not the worst


def test_a_stem_that_sounds_like_no_reference_is_further_from_it(tmp_path, write_tracks):
    write_tracks(tmp_path / "reference", [f"ref-{k}" for k in range(4)])
    write_tracks(tmp_path / "train", ["song-0"])
    audio, rate = soundfile.read(tmp_path / "train/song-0/bass.wav")
    tone = 0.3 * np.sin(np.arange(len(audio)) * 0.4)
    soundfile.write(tmp_path / "train/song-0/bass.wav", tone.reshape(len(audio), *[1] * (audio.ndim - 1)), rate)
    config = settings.preset("tiny", {})
    worker = attribution_rivals.RivalScorer(root="", fingerprint="", sample_rate=rate, channels=1, config=config)
    stems = {part: stems_of(str(tmp_path / part), split=part).stems for part in ("train", "reference")}
    found = dict(zip((s.stem for s in stems["train"]), worker.closeness(*stems.values()), strict=True))
    assert all(found["bass"] < found[label] < 0 for label in ("drums", "vocals", "other"))


def test_gains_are_of_the_same_seed(tmp_path):
    run = Run(str(tmp_path / "run"))
    rows = [
        {"method": m, "share": s, "seed": k, "part": "reference", "loss": loss}
        for m, s, k, loss in (("", 0.0, 0, 1.0), ("", 0.0, 1, 10.0), ("x", 0.1, 0, 0.1), ("x", 0.1, 1, 0.1))
    ]
    run.write_table(pa.Table.from_pylist(rows), "removals.parquet")
    told = attribution_figures.removed(run)["x"]["0.1"]["reference"]
    assert told["seeds"] == pytest.approx([10.0, 20.0])
    assert told["gain"] == pytest.approx(15.0)
    assert told["deviation"] == pytest.approx(np.std([10.0, 20.0], ddof=1))
