from __future__ import annotations

import numpy as np
import pytest

from raysep.audio.resample import resample


def sine(frequency: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate).astype(np.float32)


@pytest.mark.parametrize(("source", "target"), [(44_100, 22_050), (44_100, 16_000), (16_000, 44_100), (48_000, 44_100)])
def test_a_sine_stays_the_same_sine(source, target):
    """The oracle is the sine itself, sampled at the target rate."""
    audio = np.stack([sine(1_000, source), -sine(3_000, source)])
    out = resample(audio, source, target)
    assert out.shape == (2, target)
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    expected = np.stack([sine(1_000, target), -sine(3_000, target)])
    inner = slice(target // 20, -target // 20)  # the edges see silence beyond the ends
    assert np.abs(out - expected)[:, inner].max() < 1e-3


def test_what_lies_above_the_new_nyquist_frequency_is_removed():
    out = resample(sine(10_000, 44_100)[None], 44_100, 16_000)
    assert np.abs(out[:, 1_000:-1_000]).max() < 1e-3


def test_the_same_rate_changes_nothing():
    audio = sine(440, 16_000)[None]
    assert resample(audio, 16_000, 16_000) is audio


def test_mono_and_more_channels():
    assert resample(np.zeros((1, 4_410), np.float32), 44_100, 22_050).shape == (1, 2_205)
    assert resample(np.zeros((6, 4_410), np.float32), 44_100, 22_050).shape == (6, 2_205)
