from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.audio.resample import fit_length, resample, resample_blocks


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


@settings(max_examples=60, deadline=None)
@given(
    rates=st.sampled_from([(44_100, 16_000), (16_000, 44_100), (48_000, 44_100), (8_000, 44_100), (96_000, 44_100)]),
    frames=st.integers(1, 20_000),
    places=st.lists(st.integers(0, 20_000), max_size=10),
)
def test_a_stream_is_resampled_as_the_whole(rates, frames, places):
    audio = np.random.default_rng(frames).standard_normal((2, frames)).astype(np.float32)
    blocks = np.split(audio, sorted(p % (frames + 1) for p in places), axis=1)
    out = np.concatenate(list(resample_blocks(blocks, *rates)), axis=1)
    expected = resample(audio, *rates)
    assert out.shape == expected.shape
    assert np.abs(out - expected).max(initial=0) < 1e-6


def test_a_stream_of_the_same_rate_and_an_empty_one_pass():
    blocks = [np.zeros((2, 5), np.float32), np.zeros((2, 3), np.float32)]
    assert all(a is b for a, b in zip(resample_blocks(blocks, 8_000, 8_000), blocks, strict=True))
    assert list(resample_blocks([], 8_000, 16_000)) == []


@pytest.mark.parametrize(("frames", "sizes"), [(8, [5, 3]), (6, [5, 1]), (4, [4, 0]), (10, [5, 3, 2]), (0, [0, 0])])
def test_a_stream_is_cut_or_filled_to_its_length(frames, sizes):
    blocks = fit_length([np.ones((2, 5), np.float32), np.ones((2, 3), np.float32)], 2, frames)
    out = list(blocks)
    assert [b.shape for b in out] == [(2, size) for size in sizes]
    assert sum(b.sum() for b in out) == 2 * min(frames, 8)
    assert [b.shape for b in fit_length([], 2, 3)] == [(2, 3)]
