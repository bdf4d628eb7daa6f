"""A silent reference has no SDR and moves no mean of it; its residue is measured instead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.audio.levels import SILENCE_DBFS
from raysep.evaluation import audible_sdr, global_sdr, residue, silent_stems

SAMPLES = 4000


def noise(seed: int, dbfs: float) -> np.ndarray:
    """``(sample, channel)`` of exactly this RMS."""
    audio = np.random.default_rng(seed).standard_normal((SAMPLES, 2))
    return audio / np.sqrt(np.mean(audio**2)) * 10 ** (dbfs / 20)


@given(level=st.floats(-120, 0), left=st.floats(-99, 0))
def test_a_stem_has_either_an_sdr_or_a_residue(level, left):
    references, estimates = noise(1, level)[None], noise(2, left)[None]
    if abs(level - SILENCE_DBFS) < 1e-6:
        return
    sdr, rest = audible_sdr(references, estimates)[0], residue(references, estimates)[0]
    assert silent_stems(references)[0] == (level < SILENCE_DBFS) == np.isnan(sdr) == np.isfinite(rest)
    if level > SILENCE_DBFS:
        assert sdr == global_sdr(references, estimates)[0]
    else:
        assert rest == pytest.approx(left, abs=1e-6)


def test_one_hardly_heard_residue_moves_the_challenges_mean_by_decibels_and_this_one_not_at_all():
    """Ten instrumentals and songs of 6 dB; in one the vocals are silent and -60 dBFS are left there."""
    audible = [noise(k, -20) for k in range(39)]
    references = np.stack([*audible, np.zeros((SAMPLES, 2))])
    estimates = np.stack([*(a / 2 for a in audible), noise(99, -60)])
    challenge, ours = global_sdr(references, estimates), audible_sdr(references, estimates)
    assert np.nanmean(ours) == pytest.approx(20 * np.log10(2), abs=1e-3)
    assert challenge.mean() < np.nanmean(ours) - 1
    assert np.isnan(ours).sum() == 1
    np.testing.assert_array_equal(ours[:39], challenge[:39])


def test_a_residue_is_never_below_the_rounding_of_16_bit():
    references = np.zeros((3, SAMPLES, 2))
    estimates = np.stack([np.zeros((SAMPLES, 2)), noise(0, -140), noise(0, -80)])
    assert residue(references, estimates) == pytest.approx([-100, -100, -80])


def test_what_is_not_finite_is_not_called_silent():
    references = np.zeros((2, SAMPLES, 2))
    references[0, 3, 1] = np.nan
    assert silent_stems(references).tolist() == [False, True]
    with np.errstate(all="ignore"):
        assert np.isnan(audible_sdr(references, references)).all()
    estimates = np.full((2, SAMPLES, 2), np.nan)
    assert np.isnan(residue(references, estimates)).all()


def test_samples_of_16_bit_are_squared_without_overflow():
    assert silent_stems(np.full((1, 100, 2), 256, np.int16)).tolist() == [False]
    assert silent_stems(np.zeros((1, 100, 2), np.int16)).tolist() == [True]


def test_shapes_that_differ_are_an_error():
    for measure in (audible_sdr, residue):
        with pytest.raises(ValueError, match="both must be one"):
            measure(np.zeros((1, 10, 2)), np.zeros((2, 10, 2)))
