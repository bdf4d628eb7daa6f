"""SDR against museval itself, against definitions written out, and against cases with a known answer."""

from __future__ import annotations

import importlib.util
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.evaluation import framewise_sdr, global_sdr, median_framewise_sdr, si_sdr
from raysep.evaluation.sdr import as_signals

RATE = 800  # Hz: museval's cost grows with the length, its rules do not depend on the rate


@pytest.fixture(scope="module")
def museval_metrics():
    """museval's metrics module alone: importing the package needs ffmpeg."""
    package = importlib.util.find_spec("museval")
    spec = importlib.util.spec_from_file_location("museval_metrics", Path(package.origin).with_name("metrics.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sources(seed: int, stems: int = 3, samples: int = 4 * RATE, channels: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    references = rng.standard_normal((stems, samples, channels)) * rng.uniform(0.05, 0.5, (stems, 1, 1))
    estimates = references + 0.3 * references[::-1] + 0.05 * rng.standard_normal(references.shape)
    return references, estimates


def museval_sdr(metrics, references, estimates):
    return metrics.bss_eval(references, estimates, window=RATE, hop=RATE, filters_len=64)[0]


@pytest.mark.parametrize("samples", [4 * RATE, 4 * RATE + 300, RATE, RATE // 2], ids=["whole", "tail", "one", "short"])
@pytest.mark.parametrize("channels", [1, 2])
def test_framewise_sdr_is_musevals(museval_metrics, samples, channels):
    references, estimates = sources(1, samples=samples, channels=channels)
    expected = museval_sdr(museval_metrics, references, estimates)
    result = framewise_sdr(references, estimates, RATE)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("side", ["reference", "estimate"])
@pytest.mark.parametrize("how", ["zeros", "antiphase"])
def test_one_silent_stem_voids_the_frame_for_all(museval_metrics, side, how):
    references, estimates = sources(2)
    silenced = (references if side == "reference" else estimates)[1, RATE : 2 * RATE]
    silenced[:] = 0.0 if how == "zeros" else silenced[:, :1] * [1.0, -1.0]
    expected = museval_sdr(museval_metrics, references, estimates)
    result = framewise_sdr(references, estimates, RATE)
    assert np.isnan(result[:, 1]).all()
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-9)  # equal NaN patterns too


@pytest.mark.parametrize("side", [0, 1])
def test_a_stem_silent_throughout_raises_like_museval(museval_metrics, side):
    both = sources(3)
    both[side][2] = 0.0
    with pytest.raises(ValueError, match="non-silent"):
        museval_sdr(museval_metrics, *both)
    with pytest.raises(ValueError, match="stem 2 is silent throughout"):
        framewise_sdr(*both, RATE)


PLACES = {"a frame": RATE + 5, "a silent frame": 2 * RATE + 5, "the dropped rest": 4 * RATE + 7}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1], ids=["reference", "estimate"])
def test_one_sample_that_is_not_finite_spoils_what_it_spoils_in_museval(museval_metrics, side, value, place):
    both = sources(9, samples=4 * RATE + 300)
    both[1][0, 2 * RATE : 3 * RATE] = 0.0
    both[side][1, place, 1] = value
    with np.errstate(all="ignore"):
        expected = museval_sdr(museval_metrics, *both)
    result = framewise_sdr(*both, RATE)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-9)  # equal NaN patterns too
    assert np.isnan(result[1]).all()
    assert np.isfinite(result[0]).tolist() == [side == 1, side == 1, False, side == 1]


@pytest.mark.filterwarnings("error")
def test_samples_that_cancel_to_nan_do_not_warn():
    references, estimates = sources(10)
    references[1, 5] = estimates[1, 5] = [np.inf, -np.inf]
    assert np.isnan(framewise_sdr(references, estimates, RATE)).all()


def test_a_finite_estimate_too_loud_for_its_energy_is_minus_infinite_in_that_frame_alone():
    references, estimates = sources(11)
    before = framewise_sdr(references, estimates, RATE)
    estimates[1, :RATE] = 1e200
    after = framewise_sdr(references, estimates, RATE)
    assert after[1, 0] == -np.inf
    np.testing.assert_array_equal(after[:, 1:], before[:, 1:])


def test_integer_and_single_precision_audio_are_not_summed_in_their_own_precision():
    references, estimates = sources(4)
    r, e = references.astype(np.float32), estimates.astype(np.float32)
    for measure in (global_sdr, si_sdr, lambda a, b: framewise_sdr(a, b, RATE)):
        np.testing.assert_array_equal(measure(r, e), measure(r.astype(np.float64), e.astype(np.float64)))
    r, e = (np.clip(x * 20000, -32767, 32767).astype(np.int16) for x in (references, estimates))
    np.testing.assert_allclose(framewise_sdr(r, e, RATE), framewise_sdr(r / 32768, e / 32768, RATE), atol=1e-9)


def test_a_perfect_estimate_is_infinite_per_frame_and_has_no_median():
    references, _ = sources(5)
    assert (framewise_sdr(references, references, RATE) == np.inf).all()
    assert np.isnan(median_framewise_sdr(references, references, RATE)).all()


def test_the_median_skips_void_and_infinite_frames_and_rounds_as_museval_stores():
    references, estimates = sources(6, samples=7 * RATE)
    references[0, :RATE] = 0.0
    estimates[:, RATE : 2 * RATE] = references[:, RATE : 2 * RATE]
    frames = framewise_sdr(references, estimates, RATE)
    stored = [[float(Decimal(float(v)).quantize(Decimal(".00001"))) for v in stem if np.isfinite(v)] for stem in frames]
    assert [len(stem) for stem in stored] == [5, 5, 5]
    np.testing.assert_array_equal(median_framewise_sdr(references, estimates, RATE), np.median(stored, axis=1))


def test_global_sdr_is_the_challenges_formula_whatever_the_blocks():
    references, estimates = sources(7, samples=70_001, stems=2)
    for stem, value in enumerate(global_sdr(references, estimates)):
        signal = sum(x * x for x in references[stem].ravel().tolist()) + 1e-7
        error = sum(x * x for x in (references[stem] - estimates[stem]).ravel().tolist()) + 1e-7
        assert value == pytest.approx(10 * np.log10(signal / error), abs=1e-9)


def test_global_sdr_of_known_cases():
    one = np.ones((1, 1000, 1))
    assert global_sdr(one, 0.9 * one)[0] == pytest.approx(20.0, abs=1e-6)
    assert global_sdr(one, 0 * one)[0] == 0.0
    assert global_sdr(0 * one, 0 * one)[0] == 0.0  # silence rendered as silence: neither praise nor blame
    assert global_sdr(one, one)[0] == pytest.approx(10 * np.log10(1000 / 1e-7), abs=1e-6)


def test_si_sdr_of_known_cases():
    t = np.arange(1000)
    sine, cosine = (f(2 * np.pi * 10 * t / 1000)[None, :, None] for f in (np.sin, np.cos))
    assert si_sdr(sine, 3 * sine + 0.3 * cosine)[0] == pytest.approx(20.0, abs=1e-9)
    assert si_sdr(sine, 0 * sine)[0] == -np.inf
    assert np.isnan(si_sdr(0 * sine, sine)[0])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3))
def test_si_sdr_depends_on_the_angle_alone(seed, scale):
    references, estimates = sources(seed, samples=200)
    r, e = (x.reshape(3, -1) for x in (references, estimates))
    cosine = (r * e).sum(1) / np.linalg.norm(r, axis=1) / np.linalg.norm(e, axis=1)
    expected = 10 * np.log10(cosine**2 / (1 - cosine**2))
    np.testing.assert_allclose(si_sdr(references, scale * estimates), expected, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), order=st.permutations(range(3)))
def test_scores_follow_their_stems(seed, order):
    references, estimates = sources(seed, samples=2 * RATE)
    for measure in (global_sdr, si_sdr, lambda r, e: median_framewise_sdr(r, e, RATE)):
        np.testing.assert_array_equal(
            measure(references, estimates)[order], measure(references[order], estimates[order])
        )


def test_shapes_that_cannot_be_scored_are_named():
    references, estimates = sources(8)
    for measure in (global_sdr, si_sdr, lambda r, e: framewise_sdr(r, e, RATE)):
        with pytest.raises(ValueError, match=r"\(3, 3200, 2\)"):
            measure(references, estimates[:, :-1])
        with pytest.raises(ValueError, match="empty"):
            measure(references[:, :0], estimates[:, :0])


def test_lists_and_tensors_are_signals_too_and_arrays_are_not_copied():
    references, estimates = sources(12, samples=2 * RATE)
    for measure in (global_sdr, si_sdr, lambda r, e: framewise_sdr(r, e, RATE)):
        expected = measure(references, estimates)
        for convert in (np.ndarray.tolist, torch.from_numpy):
            np.testing.assert_array_equal(measure(convert(references), convert(estimates)), expected)
    assert all(
        made is given for made, given in zip(as_signals(references, estimates), (references, estimates), strict=True)
    )


@pytest.mark.parametrize("rate", [0, -800, 800.5, np.nan, np.inf, "800", None])
def test_a_sample_rate_that_is_none_is_named(rate):
    with pytest.raises(ValueError, match=rf"sample rate {rate!r}: must be a positive integer, in Hz"):
        framewise_sdr(*sources(13), rate)


@pytest.mark.parametrize("rate", [float(RATE), np.int16(RATE), np.float32(RATE)])
def test_a_sample_rate_may_be_any_whole_number(rate):
    np.testing.assert_array_equal(framewise_sdr(*sources(14), rate), framewise_sdr(*sources(14), RATE))
