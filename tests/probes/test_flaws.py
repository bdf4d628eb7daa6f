"""Each flaw planted in sound that has none, and not told of it before. Sixty rendered songs: tests/end_to_end/test_check.py."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from raysep.audio.files import decode, encode
from raysep.probes import flaws
from raysep.probes.flaws import FAULT, NOTE

RATE = 22_050


def sound(seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    """``(2, time)`` of 16-bit steps: wide noise whose level moves, with more in the middle than at the sides."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    envelope = 0.03 + 0.05 * (1 + np.sin(2 * np.pi * 1.3 * np.arange(count) / RATE))
    noise = rng.standard_normal((3, count)) * envelope
    return stepped(np.stack([noise[0] + 0.3 * noise[1], noise[0] + 0.3 * noise[2]]) * 0.7)


def stepped(audio: np.ndarray, bits: int = 16) -> np.ndarray:
    return (
        np.clip(np.rint(audio * 2 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) / 2 ** (bits - 1)
    ).astype("f4")


def told(audio: np.ndarray, format: str = "WAV/PCM_16") -> list[tuple[str, str]]:
    found = flaws.flaws_of(flaws.measure(audio, RATE), RATE, len(audio), format)
    return [(one.level, one.what) for one in found]


def with_gap(audio: np.ndarray) -> np.ndarray:
    audio = audio.copy()
    audio[:, RATE : RATE + 2000] = 0
    return audio


def low_passed(audio: np.ndarray) -> np.ndarray:
    return stepped(signal.sosfiltfilt(signal.ellip(10, 0.1, 80, 5000, fs=RATE, output="sos"), audio), 24)


@pytest.mark.parametrize(("seconds", "channels"), [(3.0, 2), (3.0, 1), (70.0, 2)], ids=["stereo", "mono", "long"])
def test_nothing_is_told_of_sound_without_a_flaw(seconds, channels):
    assert told(sound(seconds)[:channels]) == []


@pytest.mark.parametrize(
    ("what", "change", "level"),
    [
        ("silent", lambda x: 0 * x, NOTE),
        ("silent", lambda x: stepped(1e-3 * x, 24), NOTE),
        ("short", lambda x: x[:, :5000], FAULT),
        ("clipped", lambda x: stepped(0.5 * np.clip(x, -0.04, 0.04)), FAULT),
        ("dc", lambda x: stepped(x + 0.01), FAULT),
        ("gaps", with_gap, FAULT),
        ("one channel", lambda x: x * np.float32([[1], [0]]), FAULT),
        ("channels cancel", lambda x: x[:1] * np.float32([[1], [-1]]), FAULT),
        ("channels cancel", lambda x: stepped(x[:1] * np.float32([[1], [-0.9]])), FAULT),
        ("mono in stereo", lambda x: np.repeat(x[:1], 2, axis=0), NOTE),
        ("bandwidth", low_passed, FAULT),
        ("bit depth", lambda x: stepped(x, 12), FAULT),
    ],
)
def test_a_flaw_is_told_and_nothing_else(what, change, level):
    assert told(change(sound())) == [(level, what)]


def test_one_silent_stem_is_not_told_twice():
    assert told(np.zeros((2, 1000), np.float32)) == [(NOTE, "silent")]
    (one,) = flaws.flaws_of(flaws.measure(np.zeros((2, 1000), np.float32), RATE), RATE, 2, "WAV/PCM_16")
    assert one.words == "silent throughout (digital silence)"


def test_a_loud_stem_of_reversed_channels_says_that_they_cancel():
    x = sound()[:1]
    (one,) = flaws.flaws_of(flaws.measure(np.concatenate([x, -x]), RATE), RATE, 2, "WAV/PCM_16")
    assert one.words.startswith("channels cancel: one is inverted")


def test_floating_point_may_pass_full_scale_and_is_told_so():
    loud = sound() * np.float32(5.1234)
    assert told(loud, "WAV/FLOAT") == [(FAULT, "above full scale")]
    assert told(loud, "MP3/MPEG_LAYER_III") == []  # what a decoder makes of a loud file


def test_integers_in_a_file_of_floats_are_told_as_such():
    """By their peak: what is a little above full scale is a mix in floating point."""
    (one,) = [f for f in flaws.flaws_of(flaws.measure(sound() * 2**15, RATE), RATE, 2, "WAV/FLOAT") if f.level == FAULT]
    assert one.what == "integer scale"
    assert re.search(r"its samples go up to \d{4,5}\.?\d* \(\+\d\d dBFS\) where full scale is 1", one.words)
    assert flaws.peak(np.array([[0.0, -3.0], [2.0, 1.0]], np.float32)) == 3.0
    assert flaws.peak(np.zeros((2, 0), np.float32)) == 0.0


@pytest.mark.parametrize("format", ["WAV/PCM_24", "FLAC/PCM_24"])
def test_sixteen_bits_in_a_file_of_twenty_four(format):
    kind, _, coding = format.partition("/")
    audio = decode(encode(sound(), RATE, kind, coding), "x")
    assert told(audio, format) == [(FAULT, "bit depth")]
    assert flaws.measure(audio, RATE).bits == 16


@pytest.mark.parametrize("bits", [4, 8, 12, 15, 16, 20, 23, 24])
def test_the_bits_that_are_used_are_counted(bits):
    assert flaws.used_bits(stepped(sound() / 3, bits)) == bits


def test_what_is_no_whole_steps_has_no_bits():
    assert np.isnan(flaws.used_bits(sound() * np.float32(1 / 3)))
    assert flaws.used_bits(np.zeros((1, 10), np.float32)) == 0
    # One of 2**23 steps at full scale: the largest negative sample has a single bit.
    assert flaws.used_bits(np.float32([[-1.0]])) == 1


@pytest.mark.parametrize("cutoff", [3000, 5000, 8000])
def test_the_end_of_a_spectrum_is_found_within_two_bands(cutoff):
    audio = signal.sosfiltfilt(signal.ellip(10, 0.1, 80, cutoff, fs=RATE, output="sos"), sound())
    measured = flaws.measure(audio.astype(np.float32), RATE)
    assert measured.bandwidth_hz == pytest.approx(cutoff, abs=2 * RATE / 2 / flaws.BANDS)
    assert measured.edge_db > flaws.LEAST_EDGE_DB


def test_sound_that_fades_out_towards_the_top_is_not_cut_off():
    soft = signal.sosfilt(signal.butter(2, 1500, fs=RATE, output="sos"), sound())
    assert flaws.measure(soft.astype(np.float32), RATE).edge_db < flaws.LEAST_EDGE_DB


def test_a_single_tone_has_no_band_that_could_end():
    tone = 0.3 * np.sin(2 * np.pi * 3000 * np.arange(3 * RATE) / RATE)[None]
    assert flaws.measure(tone.astype(np.float32), RATE).edge_db < flaws.LEAST_EDGE_DB


def test_excerpts_come_from_all_over_a_long_stem():
    audio = np.arange(1000 * 100, dtype=np.float32)[None]
    pieces = flaws.excerpts(audio, 1000, seconds=12.0)
    assert pieces.shape == (1, 12_000)
    assert (pieces[0, 0], pieces[0, -1]) == (0, audio[0, -1])
    assert flaws.excerpts(audio, 1000, seconds=100.0) is audio


def test_a_measure_at_its_bound_is_not_told():
    clean = flaws.measure(sound(), RATE)
    for at_bound in (
        replace(clean, clipping=flaws.MOST_CLIPPING),
        replace(clean, dc=flaws.MOST_DC),
        replace(clean, bits=15.0),
    ):
        assert list(flaws.flaws_of(at_bound, RATE, 2, "WAV/PCM_16")) == []


def test_an_offset_is_told_where_it_is_clear_and_not_where_chance_leaves_one():
    rng = np.random.default_rng(0)
    noise = [0.1 * rng.standard_normal((1, 8000)).astype(np.float32) for _ in range(300)]
    assert any(abs(x.mean()) > flaws.MOST_DC * x.std() for x in noise)
    assert {flaws.offset(x, 8000) for x in noise} == {0.0}
    assert flaws.offset(noise[0] + 0.02, 8000) == pytest.approx(0.02, abs=0.004)
    low = 0.3 * np.sin(2 * np.pi * 33 * np.arange(1.02 * RATE) / RATE)[None].astype(np.float32)
    assert flaws.offset(low, RATE) == 0.0
    assert flaws.offset(noise[0][:, :1000] + 1, RATE) == 0.0  # too short to tell
