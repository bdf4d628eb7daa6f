"""The desk: levels, tone and room against closed forms."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.songs import band
from raysep.corpus.songs.styles import STYLES

RATE = 16_000
DRY = band.Strip(-20.0, 0.0, (1000.0, 0.0), 1.0, 0.0, -200.0, (0.0, -np.inf), -np.inf, 0)
ROOM = band.Room(decay=0.8, delay=0.01, damping=4000.0, seed=3)


def noise(seconds: float = 2.0) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((2, int(seconds * RATE)))).astype(np.float32)


def test_loudness_ignores_pauses():
    audio = noise()
    paused = np.concatenate([audio, np.zeros_like(audio)], axis=1)
    assert band.loudness(audio, RATE) == pytest.approx(-20, abs=0.1)
    assert band.loudness(paused, RATE) == pytest.approx(band.loudness(audio, RATE), abs=0.05)
    assert band.loudness(np.zeros((2, RATE)), RATE) == -np.inf


def test_a_strip_that_does_nothing_only_sets_the_level():
    out = band.process(noise(), replace(DRY, level=-26.0), ROOM, RATE)
    expected = noise() * 10 ** (-6 / 20)
    assert np.sqrt(np.mean((out - expected) ** 2)) < 0.01 * np.sqrt(np.mean(expected**2))
    assert out.dtype == np.float32


def test_an_empty_stem_stays_empty():
    assert not band.process(np.zeros((2, RATE), np.float32), DRY, ROOM, RATE).any()


def test_tilt_bell_and_low_cut():
    frequency = np.array([500.0, 1000.0, 2000.0])
    tilt = 20 * np.log10(band.tone(frequency, replace(DRY, tilt=1.0)))
    np.testing.assert_allclose(tilt, [-1, 0, 1], atol=1e-6)
    bell = 20 * np.log10(band.tone(frequency, replace(DRY, bump=(1000.0, 4.0))))
    assert bell[1] == pytest.approx(4, abs=1e-6)
    cut = 20 * np.log10(band.tone(np.array([100.0]), replace(DRY, low_cut=100.0)))
    assert cut[0] == pytest.approx(-3.01, abs=0.01)


def test_the_room_dies_away_in_its_decay_time():
    response = band.impulse(ROOM, replace(DRY, wet=0.0), RATE)
    tail = response[:, int(ROOM.delay * RATE) :]
    early, late = (np.sum(tail[:, int(a * RATE) : int((a + 0.05) * RATE)] ** 2) for a in (0.1, 0.5))
    assert 10 * np.log10(early / late) == pytest.approx(60 * 0.4 / ROOM.decay, abs=3)
    assert np.sum(tail**2, axis=1) == pytest.approx([1, 1], rel=0.01)  # 0 dB against the dry sound
    assert abs(np.corrcoef(tail)[0, 1]) < 0.1  # a wide room


def test_echo_comes_after_its_delay():
    response = band.impulse(ROOM, replace(DRY, echo=(0.25, -6.0)), RATE)
    assert response[0, RATE // 4] == pytest.approx(10 ** (-6 / 20), abs=1e-3)
    assert response[0, RATE // 2] == pytest.approx(10 ** (-12 / 20), abs=1e-3)


def test_hiss_lies_at_its_level_and_below_what_is_audible():
    audio = noise()
    audio[:, RATE:] = 0
    out = band.process(audio, replace(DRY, hiss=-75.0), ROOM, RATE)
    rest = out[:, RATE + RATE // 4 :]
    assert 20 * np.log10(np.sqrt(np.mean(rest**2))) == pytest.approx(-75, abs=0.5)


def test_balance_keeps_proportions_and_tames_the_sum():
    stems = {"a": noise() * 4, "b": noise() * 2}
    out = band.balance(stems)
    assert np.abs(sum(out.values())).max() == pytest.approx(band.PEAK, rel=1e-5)
    np.testing.assert_allclose(out["a"], out["b"] * 2, rtol=1e-5)
    quiet = {"a": noise() * 0.1}
    np.testing.assert_array_equal(band.balance(quiet)["a"], quiet["a"])


@given(st.integers(1, 2_000_000))
def test_fast_lengths_against_scipy(least):
    assert band._fast_length(least) == scipy.fft.next_fast_len(least, real=True)


def test_desks_differ_and_repeat():
    first, again, other = (band.mix(np.random.default_rng(s), STYLES[0], 120.0) for s in (1, 1, 2))
    assert first == again
    assert first != other
