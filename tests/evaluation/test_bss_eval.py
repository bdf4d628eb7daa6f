"""BSS Eval v4 against museval, frame for frame, on material that is kind to it and on material that is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from raysep.evaluation import bss_eval, framewise_sdr, museval_backend

RATE = 4000  # Hz: museval's cost grows with the length and the square of the channels, its rules with neither
NAMES = ("sdr", "isr", "sir", "sar")


def music(seed: int = 0, stems: int = 3, seconds: float = 3.3, channels: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Coloured noise with panning as 16-bit stems, and estimates that leak, filter and add; ``(stem, sample, channel)``."""
    rng = np.random.default_rng(seed)
    bands = [(50, 400), (300, 1200), (800, 1800), (100, 1900)][:stems]
    sources = np.stack(
        [
            sosfilt(butter(2, band, "bandpass", fs=RATE, output="sos"), rng.standard_normal(round(seconds * RATE)))
            for band in bands
        ]
    )
    references = sources[:, :, None] * rng.uniform(0.3, 1.0, (stems, 1, channels))
    references += 0.05 * rng.standard_normal(references.shape)
    filtered = sosfilt(butter(1, 0.7 * RATE / 2, fs=RATE, output="sos"), references, axis=1)
    estimates = 0.8 * filtered + 0.2 * references[::-1] + 0.03 * rng.standard_normal(references.shape)
    return to_int16(references), to_int16(estimates)


def to_int16(audio: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(0.2 * audio, -1, 1) * 32767).astype(np.int16)


def museval(references: np.ndarray, estimates: np.ndarray) -> dict[str, np.ndarray]:
    return museval_backend.evaluate_track(references / 32768, estimates / 32768, RATE)


def assert_equal(ours: dict, theirs: dict, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(ours["sdr"], theirs["sdr"], rtol=0, atol=1e-9)
    for name in NAMES:  # equal NaN and inf patterns too
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize(
    ("stems", "channels", "seconds"),
    [pytest.param(3, 2, 3.3, marks=pytest.mark.long), (4, 1, 2.0), (2, 2, 2.6), (1, 2, 1.5), (2, 2, 0.6)],
    ids=["a last frame in part", "mono", "two stems", "one stem", "shorter than a frame"],
)
@pytest.mark.slow
def test_every_frame_is_musevals(stems, channels, seconds):
    references, estimates = music(1, stems, seconds, channels)
    ours = bss_eval(references, estimates, RATE)
    assert_equal(ours, museval(references, estimates))
    assert all(ours[name].shape == (stems, max(1, int(seconds))) for name in (*NAMES, "conditioned"))


@pytest.mark.slow
def test_of_well_conditioned_material_even_rounding_agrees():
    references, estimates = music(2)
    ours = bss_eval(references, estimates, RATE)
    assert ours["conditioned"].all()
    assert_equal(ours, museval(references, estimates), 1e-8)


def silent_second(references, estimates):
    references[1, RATE : 2 * RATE] = 0


def antiphase_second(references, estimates):
    estimates[0, :RATE, 1] = -estimates[0, :RATE, 0]


def panned_to_one_side(references, estimates):
    references[1, :, 1] = estimates[1, :, 1] = 0


def panned_reference_only(references, estimates):
    references[2, :, 0] = 0


def dual_mono(references, estimates):
    references[0, :, 1] = references[0, :, 0]


@pytest.mark.parametrize(
    "change",
    [
        silent_second,
        antiphase_second,
        panned_to_one_side,
        *(pytest.param(change, marks=pytest.mark.long) for change in (panned_reference_only, dual_mono)),
    ],
)
@pytest.mark.slow
def test_hostile_signals_have_musevals_numbers_and_its_nans(change):
    references, estimates = music(3)
    change(references, estimates)
    ours = bss_eval(references, estimates, RATE)
    assert_equal(ours, museval(references, estimates))
    assert ours["conditioned"].all()


@pytest.mark.slow
def test_a_perfect_estimate_has_infinite_sdr_and_numbers_that_are_not_to_be_trusted():
    references, estimates = music(4)
    estimates[1] = references[1]
    ours, theirs = bss_eval(references, estimates, RATE), museval(references, estimates)
    assert np.isposinf(ours["sdr"][1]).all()
    assert np.isposinf(theirs["sdr"][1]).all()
    assert not ours["conditioned"][1].any()
    assert all((ours[name][1] > 150).all() and (theirs[name][1] > 150).all() for name in ("isr", "sar"))
    assert ours["conditioned"][[0, 2]].all()
    for name in NAMES:
        np.testing.assert_allclose(ours[name][[0, 2]], theirs[name][[0, 2]], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_tiny_artefact_survives_the_cancellation_of_energies():
    """SAR near 120 dB: |ŝ|² - 2⟨ŝ, y⟩ + |y|² has lost it; the signals have not."""
    references, _ = music(5)
    references = references / 32768
    estimates = references + 1e-7 * np.random.default_rng(5).standard_normal(references.shape)
    ours = bss_eval(references, estimates, RATE)
    theirs = museval_backend.evaluate_track(references, estimates, RATE)
    assert (theirs["sar"] > 90).all()
    np.testing.assert_allclose(ours["sar"], theirs["sar"], rtol=0, atol=1e-4)


def test_a_delayed_copy_is_flagged():
    """Filters towards two references of which one is the other, later: any mixture of them does as well."""
    references, estimates = music(6)
    references[2, 7:], references[2, :7] = references[0, :-7], 0
    ours = bss_eval(references, estimates, RATE)
    assert not ours["conditioned"].all()


def test_a_signal_shorter_than_the_filters_is_flagged():
    references, estimates = music(1, stems=2, seconds=0.05, channels=1)
    ours = bss_eval(references, estimates, RATE)
    np.testing.assert_allclose(ours["sdr"], museval(references, estimates)["sdr"], rtol=0, atol=1e-9)
    assert (ours["sar"] > 150).all()
    assert not ours["conditioned"].any()


def test_the_scale_of_the_signals_does_not_matter():
    references, estimates = music(7)
    as_integers = bss_eval(references, estimates, RATE)
    as_floats = bss_eval((references / 32768).astype(np.float32), (estimates / 32768).astype(np.float32), RATE)
    for name in NAMES:
        np.testing.assert_allclose(as_integers[name], as_floats[name], rtol=0, atol=1e-9)


def test_sdr_is_framewise_sdr():
    references, estimates = music(8)
    np.testing.assert_array_equal(
        bss_eval(references, estimates, RATE)["sdr"], framewise_sdr(references, estimates, RATE)
    )


def test_a_stem_that_is_silent_throughout_is_refused():
    references, estimates = music(9)
    estimates[1] = 0
    with pytest.raises(ValueError, match="estimate of stem 1 is silent"):
        bss_eval(references, estimates, RATE)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("side", [0, 1], ids=["reference", "estimate"])
def test_signals_that_are_not_finite_leave_musevals_numbers_and_nans(side, value):
    both = [signals / 32768 for signals in music(10, stems=3, seconds=2.3, channels=1)]
    both[1][0, :RATE] = 0  # a silent second on top
    both[side][1, RATE + 9] = value
    ours = bss_eval(*both, RATE)
    with np.errstate(all="ignore"):
        theirs = museval_backend.evaluate_track(*both, RATE)
    assert_equal(ours, theirs)
    assert np.isnan([ours[name][1] for name in NAMES]).all()
    assert np.isfinite(ours["isr"][[0, 2], 1]).all()
    assert ours["conditioned"].all()
    np.testing.assert_array_equal(ours["sdr"], framewise_sdr(*both, RATE))


def test_a_reference_of_nan_alone_is_no_error():
    references, estimates = (signals / 32768 for signals in music(11, stems=2, seconds=1.2))
    references[0] = np.nan
    found = bss_eval(references, estimates, RATE)
    assert np.isnan([found[name] for name in ("sdr", "sir", "sar")]).all()
    assert np.isfinite(found["isr"]).tolist() == [[False], [True]]


def test_lists_and_whole_rates_are_taken_and_no_other_rate():
    references, estimates = music(12, stems=2, seconds=1.1, channels=1)
    expected = bss_eval(references, estimates, RATE)
    found = bss_eval(references.tolist(), estimates.tolist(), float(RATE))
    for name in (*NAMES, "conditioned"):
        np.testing.assert_array_equal(found[name], expected[name])
    for rate in (0, 44100.5, None):
        with pytest.raises(ValueError, match=f"sample rate {rate}: must be a positive integer"):
            bss_eval(references, estimates, rate)
