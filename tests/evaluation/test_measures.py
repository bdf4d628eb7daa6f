from __future__ import annotations

import math

import numpy as np
import pytest

from raysep.errors import BadInput
from raysep.evaluation import measures
from raysep.evaluation.measures import track_measures
from raysep.evaluation.sdr import frame_median

RATE = 8000
ALL = tuple(measures.MEASURES)


@pytest.fixture
def coloured():
    """References ``(stem, channel, time)`` of decaying notes in 16 bit, and estimates with leakage, filtering and noise."""
    rng = np.random.default_rng(3)
    time = np.arange(int(3.5 * RATE)) / RATE
    notes = rng.uniform(100, 3000, size=(3, 12))
    envelope = np.exp(-3 * (time * 2 % 1.0))
    tones = np.sin(2 * np.pi * notes[:, :, None] * time + rng.uniform(0, 6, size=(3, 12, 1))).mean(axis=1) * envelope
    pan = rng.uniform(0.3, 1.0, size=(3, 2))
    references = tones[:, None] * pan[:, :, None] + 0.01 * rng.standard_normal((3, 2, time.size))
    references = np.round(references * 20000) / 32768
    leak = references + 0.1 * references.sum(axis=0) + 0.05 * np.roll(references, 9, axis=-1)
    return references, leak + 0.01 * rng.standard_normal(references.shape)


def test_the_sdr_of_a_track_is_the_formula():
    rng = np.random.default_rng(0)
    references = rng.standard_normal((2, 2, 16000)).astype(np.float32)
    noise = rng.standard_normal(references.shape).astype(np.float32) * np.array([0.1, 0.5])[:, None, None]
    found = track_measures(references, references + noise, RATE, ("sdr", "framewise_sdr", "si_sdr")).values
    assert found["sdr"] == pytest.approx([20.0, 6.0206], abs=0.1)
    assert found["framewise_sdr"] == pytest.approx([20.0, 6.0206], abs=0.3)
    # Scaled by one half, half of the signal is the error: 6 dB exactly; and no error at all after scaling.
    halved = track_measures(references, references / 2, RATE, ("sdr", "si_sdr")).values
    assert halved["sdr"] == pytest.approx([20 * math.log10(2)] * 2, abs=1e-4)
    assert (halved["si_sdr"] > 100).all()


def test_a_stem_that_is_silent_throughout_leaves_the_framewise_measures_undefined():
    references = np.random.default_rng(0).standard_normal((2, 1, 16000)).astype(np.float32)
    references[1] = 0
    found = track_measures(references, references * 0.9, RATE, ("sdr", "framewise_sdr", "sir"))
    assert found.values["sdr"][0] == pytest.approx(20.0, abs=0.01)
    assert np.isnan(found.values["sdr"][1])
    assert found.silent.tolist() == [False, True]
    assert np.isnan(found.values["framewise_sdr"]).all()
    assert np.isnan(found.values["sir"]).all()
    assert "silent throughout" in found.note
    assert found.frames == {}


def test_a_nearly_silent_reference_has_a_residue_and_the_challenges_sdr_but_no_other():
    rng = np.random.default_rng(0)
    references = rng.standard_normal((2, 1, 16000)) * np.array([0.1, 1e-4])[:, None, None]
    estimates = references + 1e-3 * rng.standard_normal(references.shape)
    names = ("sdr", "si_sdr", "residue", "challenge_sdr")
    found = track_measures(references, estimates, RATE, names).values
    assert [np.isnan(found[name]).tolist() for name in names] == [
        [False, True],
        [False, True],
        [True, False],
        [False] * 2,
    ]
    assert found["residue"][1] == pytest.approx(-60, abs=0.2)
    assert found["challenge_sdr"][1] == pytest.approx(-20, abs=0.2)
    assert found["challenge_sdr"][0] == found["sdr"][0]
    assert "challenge_sdr" not in measures.DEFAULT
    assert not measures.MEASURES["residue"].higher_is_better


def test_only_what_is_asked_for_is_computed(monkeypatch):
    from raysep import evaluation

    for name in ("bss_eval", "bleedless_fullness", "framewise_sdr"):
        monkeypatch.setattr(evaluation, name, None)
    references = np.random.default_rng(0).standard_normal((2, 1, 100))
    assert list(track_measures(references, references, RATE, ("sdr",)).values) == ["sdr"]


@pytest.mark.parametrize("names", [ALL, ("framewise_sdr", "sar")])
@pytest.mark.slow
def test_the_backends_agree_to_musevals_own_digits(coloured, names):
    own = track_measures(*coloured, RATE, names)
    theirs = track_measures(*coloured, RATE, names, backend="museval")
    assert list(own.values) == list(theirs.values) == [name for name in ALL if name in names]
    for name in names:
        assert np.isfinite(own.values[name]).all() == (name != "residue")  # none of the stems is silent
        np.testing.assert_allclose(own.values[name], theirs.values[name], atol=1.01e-5, err_msg=name)
    assert own.conditioned.all()
    assert theirs.conditioned is None
    assert {name: frames.shape for name, frames in own.frames.items()} == dict.fromkeys(theirs.frames, (3, 3))


def test_frames_are_rounded_first_and_what_is_not_finite_does_not_count():
    frames = np.array([[1.0000049, np.inf, 3.0, np.nan, 2.0], [np.nan, np.inf, np.nan, np.inf, -np.inf]])
    found = frame_median(frames)
    assert found[0] == 2.0
    assert np.isnan(found[1])
    assert frame_median(np.array([[1.0000049]]))[0] == 1.0
    assert np.isnan(frame_median(np.full((2, 0), np.nan))).all()


def test_what_cannot_be_measured_is_named():
    assert measures.check(("fullness", "sdr"), "own") == ("sdr", "fullness")
    with pytest.raises(BadInput, match=r"--metrics sdri: give some of sdr, framewise_sdr"):
        measures.check(("sdr", "sdri"), "own")
    with pytest.raises(BadInput, match="--metrics : give some of"):
        measures.check((), "own")
    with pytest.raises(BadInput, match="--backend bsseval: give one of own, museval"):
        measures.check(("sdr",), "bsseval")


def test_the_page_about_evaluation_defines_every_measure():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text()
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| `")]
    told = {row[0].strip(" `"): (row[1].strip(), row[2].strip()) for row in rows}
    assert told == {name: (m.unit, m.frames) for name, m in measures.MEASURES.items()}


@pytest.mark.parametrize("name", ["sdr", "framewise_sdr"])
def test_what_is_wrong_with_the_arguments_is_an_error_and_no_note(name):
    references = np.random.default_rng(0).standard_normal((2, 1, 16000))
    with pytest.raises(ValueError, match=r"\(2, 16000, 1\), estimates \(1, 16000, 1\)"):
        track_measures(references, references[:1], RATE, (name,))
    with pytest.raises(ValueError, match=r"sample rate 8000\.5: must be a positive integer"):
        track_measures(references, references, 8000.5, (name,))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_estimate_that_is_not_finite_has_no_finite_measure(coloured, value):
    references, estimates = coloured
    whole = track_measures(references, estimates, RATE, ALL).values
    estimates[1, 0, 100] = value
    with np.errstate(all="ignore"):
        found = track_measures(references, estimates, RATE, ALL).values
    for name in set(ALL) - {"residue"}:
        assert np.isfinite(found[name]).tolist() == [True, False, True], name
        np.testing.assert_allclose(found[name][[0, 2]], whole[name][[0, 2]], atol=1e-9)
