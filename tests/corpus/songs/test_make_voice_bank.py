"""The maker of the bank: what can be checked without the singing synthesiser."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from raysep.corpus.songs import make_voice_bank as maker
from raysep.corpus.songs.score import SYLLABLES

RATE = maker.RATE


def voice_like(phase: np.ndarray) -> np.ndarray:
    return sum(np.sin(k * phase) / k for k in range(1, 8))


def test_the_maker_and_the_composer_know_the_same_syllables():
    assert tuple(maker.SYLLABLES) == SYLLABLES


@pytest.mark.parametrize("frequency", [220.0, 349.2, 661.7])
def test_periodicity_of_a_known_tone(frequency):
    tone = voice_like(2 * np.pi * frequency * np.arange(RATE // 3) / RATE)
    hertz, match = maker.periodicity(tone)
    assert abs(1200 * np.log2(hertz / frequency)) < 3
    assert match > 0.99


def test_noise_is_not_periodic():
    assert maker.periodicity(np.random.default_rng(0).standard_normal(RATE // 3))[1] < 0.5


def test_flatten_takes_vibrato_away():
    time = np.arange(RATE) / RATE
    cents = 80 * np.sin(2 * np.pi * 4 * time)
    wobbly = voice_like(2 * np.pi * np.cumsum(400 * 2 ** (cents / 1200)) / RATE)
    flat, hertz = maker.flatten(wobbly, 400)

    def spread(audio):
        pitch, _ = maker.instantaneous_pitch(audio, 400)
        return np.std(1200 * np.log2(pitch[RATE // 10 : -RATE // 5] / 400))

    assert abs(1200 * np.log2(hertz / 400)) < 60
    assert spread(flat) < 0.2 * spread(wobbly)


def test_landmarks_of_a_hiss_before_a_vowel():
    rng = np.random.default_rng(1)
    vowel = 0.2 * voice_like(2 * np.pi * 400 * np.arange(RATE // 2) / RATE)
    note = np.concatenate([np.zeros(RATE // 4), 0.05 * rng.standard_normal(RATE // 10), vowel, np.zeros(RATE // 4)])
    first, onset = maker.landmarks(note, 400)
    assert first == pytest.approx(RATE // 4, abs=0.02 * RATE)
    assert onset == pytest.approx(RATE // 4 + RATE // 10, abs=0.03 * RATE)


def test_loops_are_whole_periods():
    note = voice_like(2 * np.pi * 400 * np.arange(int(0.42 * RATE)) / RATE)
    start = maker.loop_of(note, 0, 400.0)
    turns = (len(note) - int(0.04 * RATE) - start) / (RATE / 400)
    assert abs(turns - round(turns)) < 0.01
    assert turns > 60


def test_the_score_is_musicxml_of_one_bar_a_syllable():
    root = ElementTree.fromstring(maker.score(66, ["あ", "ら"]))
    bars = root.findall("part/measure")
    assert len(bars) == 2
    assert [b.findtext("note/lyric/text") for b in bars] == ["あ", "ら"]
    assert [int(d.text) for d in bars[1].iter("duration")] == [1, 1, 2]
    assert bars[0].findtext("note/pitch/step") == "F"
