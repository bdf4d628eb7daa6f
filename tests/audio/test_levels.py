from __future__ import annotations

import numpy as np
import pytest

from raysep.audio.levels import (
    QUIETEST_DBFS,
    SILENCE_DBFS,
    is_audible,
    is_silent,
    residue_dbfs,
    rms_dbfs,
)


@pytest.mark.parametrize(("amplitude", "expected"), [(1.0, -3.0103), (0.5, -9.0309), (0.001, -63.0103)])
def test_a_sine_lies_three_decibels_below_its_amplitude(amplitude, expected):
    sine = amplitude * np.sin(2 * np.pi * np.arange(48_000) * 100 / 48_000)
    assert rms_dbfs(np.stack([sine, sine]).astype(np.float32)) == pytest.approx(expected, abs=1e-3)


def test_the_mean_is_over_the_channels_too():
    one_sided = np.stack([np.ones(100), np.zeros(100)]).astype(np.float32)
    assert rms_dbfs(one_sided) == pytest.approx(-3.0103, abs=1e-3)


@pytest.mark.parametrize("silence", [np.zeros((2, 10), np.float32), np.zeros((2, 0), np.float32)])
def test_nothing_is_silent_and_finite(silence):
    assert rms_dbfs(silence) == -200.0
    assert not is_audible(silence)


def test_the_border_of_silence():
    level = 10 ** (SILENCE_DBFS / 20)
    assert is_audible(np.full((1, 100), level * 1.01, np.float32))
    assert not is_audible(np.full((1, 100), level * 0.99, np.float32))
    assert is_silent(np.full((1, 100), level * 0.99, np.float32))
    assert not is_silent(np.full((1, 100), level * 1.01, np.float32))
    assert not is_silent(np.full((1, 100), np.nan, np.float32))


def test_a_residue_is_the_level_of_the_estimate_where_the_reference_is_silent():
    silent, loud = np.zeros((2, 100), np.float32), np.full((2, 100), 0.1, np.float32)
    assert residue_dbfs(silent, loud) == pytest.approx(-20.0)
    assert residue_dbfs(silent, silent) == QUIETEST_DBFS
    assert np.isnan(residue_dbfs(loud, silent))
    assert np.isnan(residue_dbfs(silent, loud * np.nan))


def test_blocks_of_any_number_join_to_the_mean_of_all():
    audio = np.random.default_rng(0).standard_normal((3, 40_000)).astype(np.float32)
    for samples in (1, 16_383, 16_384, 16_385, 40_000):
        part = audio[:, :samples]
        assert rms_dbfs(part) == pytest.approx(10 * np.log10(np.mean(np.square(part, dtype=np.float64))), abs=1e-12)
        assert rms_dbfs(part[0]) == rms_dbfs(part[:1])


def test_long_quiet_audio_is_summed_in_double_precision():
    audio = np.full((1, 5_000_000), 0.1, np.float32)
    assert rms_dbfs(audio) == pytest.approx(-20.0, abs=1e-6)
