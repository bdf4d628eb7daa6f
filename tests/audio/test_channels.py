from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.audio.channels import as_channels, cancels, mono, mono_level_db

NOISE = (0.1 * np.random.default_rng(0).standard_normal((6, 8000))).astype(np.float32)


def test_one_on_each_and_two_to_their_mean():
    one, two = np.ones((1, 3), np.float32), np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    assert as_channels(one, 2).tolist() == [[1, 1, 1], [1, 1, 1]]
    assert as_channels(two, 1).tolist() == [[2, 3]]
    assert as_channels(two, 2) is two
    assert as_channels(two, 0).shape == (0, 2)


@given(st.integers(2, 6), st.integers(1, 6))
def test_no_channel_is_left_out(source, target):
    """Whichever is the only one that sounds, it is in what comes of them."""
    for channel in range(source):
        audio = np.zeros((source, 100), np.float32)
        audio[channel] = NOISE[channel, :100]
        made = as_channels(audio, target)
        assert made.shape == (target, 100)
        expected = audio if source == target else np.repeat(audio.mean(axis=0, keepdims=True), target, axis=0)
        assert np.array_equal(made, expected)


@pytest.mark.parametrize(("second", "level"), [(1.0, 0.0), (0.0, -3.01), (-0.5, -10.0), (-0.9, -25.6), (-1.0, -100.0)])
def test_how_much_is_left_in_mono(second, level):
    """Of x and a times x: (1 + a)² / 2 (1 + a²)."""
    audio = np.stack([NOISE[0], np.float32(second) * NOISE[0]])
    assert mono_level_db(audio) == pytest.approx(level, abs=0.05)
    assert cancels(audio) == (level < -15)
    assert not cancels(NOISE)
    assert mono_level_db(NOISE[:1]) == mono_level_db(np.zeros((2, 9))) == mono_level_db(np.zeros((2, 0))) == 0.0


def test_where_channels_cancel_the_loudest_stands_for_all():
    reversed_one = np.stack([NOISE[0], -np.float32(0.9) * NOISE[0]])
    for channels in (reversed_one, reversed_one[::-1]):
        assert np.array_equal(mono(channels), NOISE[:1])
        assert np.array_equal(as_channels(channels, 3), np.repeat(NOISE[:1], 3, axis=0))
    assert np.array_equal(mono(NOISE[:2]), NOISE[:2].mean(axis=0, keepdims=True))
    assert mono(np.zeros((2, 5), np.float32)).tolist() == [[0] * 5]
