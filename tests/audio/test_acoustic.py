from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from raysep.audio import acoustic
from raysep.audio.resample import resample


def music(seed: int, seconds: float = 4.0, rate: int = acoustic.RATE) -> np.ndarray:
    """``(time,)``: a note every quarter of a second, each with its overtones, over a little hiss."""
    rng = np.random.default_rng(seed)
    count, note = round(seconds * rate), round(0.25 * rate)
    time = np.arange(note) / rate
    notes = []
    for _ in range(-(-count // note)):
        pitch = 110 * 2 ** (rng.integers(0, 36) / 12)
        overtones = sum(rng.uniform(0.1, 1) * np.sin(2 * np.pi * k * pitch * time) for k in range(1, 8))
        notes.append(overtones * np.exp(-6 * time))
    song = np.concatenate(notes)[:count]
    return (0.1 * song + 0.001 * rng.standard_normal(count)).astype(np.float32)


def slow_moments(mono: np.ndarray) -> np.ndarray:
    """The definition, one bit at a time, in double precision."""
    edges = np.round(
        np.geomspace(acoustic.LOWEST_HZ, acoustic.HIGHEST_HZ, acoustic.BITS + 2) * acoustic.WINDOW / acoustic.RATE
    ).astype(int)
    shape = np.hanning(acoustic.WINDOW)
    energies = []
    for start in range(0, len(mono) - acoustic.WINDOW + 1, acoustic.HOP):
        power = np.abs(np.fft.rfft(mono[start : start + acoustic.WINDOW].astype(float) * shape)) ** 2
        energies.append([power[a:b].sum() for a, b in pairwise(edges)])
    found = []
    for before, now in pairwise(energies):
        word = 0
        for band in range(acoustic.BITS):
            word |= int(now[band] - now[band + 1] > before[band] - before[band + 1]) << band
        found.append(word)
    return np.array(found, np.uint32)


def differing(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.unpackbits((first ^ second).view(np.uint8)).mean())


def test_the_bits_are_those_of_the_definition():
    song = music(1)
    bits, audible = acoustic.moments(song)
    slow = slow_moments(song)
    assert len(bits) == len(audible) == len(slow) > 100
    assert differing(bits, slow) < 0.002  # single precision tips a bit that hangs in the balance


@pytest.mark.parametrize(
    ("change", "most"),
    [
        (lambda x: x * 0.05, 0.005),
        (lambda x: -x, 0.001),
        (lambda x: np.rint(x * 2**15) / 2**15, 0.02),
        (lambda x: np.tanh(3 * x) / 3, 0.1),
        (lambda x: x + 1e-3 * np.random.default_rng(0).standard_normal(len(x)), 0.12),
    ],
    ids=["quieter", "inverted", "16 bits", "limited", "hiss"],
)
def test_what_a_copy_changes_leaves_the_bits(change, most):
    song = music(2)
    assert differing(acoustic.moments(song)[0], acoustic.moments(change(song).astype(np.float32))[0]) <= most


def test_another_song_differs_in_nearly_half_of_its_bits():
    assert 0.4 < differing(acoustic.moments(music(3))[0], acoustic.moments(music(4))[0]) < 0.6


def test_a_cut_between_two_windows_leaves_most_bits():
    song = music(5)
    cut = acoustic.moments(song[10 * acoustic.HOP + acoustic.HOP // 2 :])[0]
    assert differing(acoustic.moments(song)[0][10 : 10 + len(cut)], cut) < 0.1


def test_another_rate_leaves_the_bits():
    song = music(6)
    other = acoustic.folded(resample(song[None], acoustic.RATE, 22_050), 22_050)
    ours = acoustic.moments(song)[0]
    there = acoustic.moments(other)[0]
    assert differing(ours[: len(there)], there[: len(ours)]) < 0.02


def test_channels_that_cancel_are_folded_by_their_difference():
    song = music(7)
    np.testing.assert_allclose(acoustic.folded(np.stack([song, -song]), acoustic.RATE), song, atol=1e-7)
    np.testing.assert_allclose(acoustic.folded(np.stack([song, song]), acoustic.RATE), song, atol=1e-7)


@pytest.mark.parametrize(
    "audio", [np.zeros(20_000), 1e-4 * music(8), music(8)[:1000]], ids=["silent", "quiet", "short"]
)
def test_silence_and_what_is_shorter_than_a_window_have_no_moments(audio):
    bits, audible = acoustic.moments(audio.astype(np.float32))
    assert len(bits) == len(audible) == 0


def test_a_rest_is_not_compared():
    song = music(9)
    song[8_000:14_000] *= 1e-4
    audible = acoustic.moments(song)[1]
    assert not audible[8_000 // acoustic.HOP + 4 : (14_000 - acoustic.WINDOW) // acoustic.HOP - 4].any()
    assert audible[: 5_000 // acoustic.HOP].all()
