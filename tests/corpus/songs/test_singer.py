"""The voice sings the written pitch at the written time."""

from importlib import resources

import numpy as np
import pytest

from raysep.corpus.songs import singer
from raysep.corpus.songs.score import SYLLABLES, Sung, Voice

FOLDER = resources.files("raysep.corpus.songs") / "voice"
RATE = singer.RATE


def voice(name="plain", register=0.0, **others) -> Voice:
    return Voice(name, register, 5.5, 20.0, 0.05, **others)


def fundamental(audio: np.ndarray, near: float) -> float:
    """Hz: the centre of gravity of the power within four semitones of ``near``; an oracle with no periodicity in it."""
    size = 1 << 18
    power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), size)) ** 2
    frequency = np.arange(len(power)) * RATE / size
    band = np.abs(12 * np.log2(np.maximum(frequency, 1) / near)) < 4
    return float((power * frequency)[band].sum() / power[band].sum())


def test_the_bank_ships_with_its_attribution_and_stays_small():
    assert sum(len(f.read_bytes()) for f in FOLDER.iterdir()) < 4_000_000
    text = (FOLDER / "ATTRIBUTION.md").read_text()
    assert "NIT SONG070 F001" in text
    assert "Creative Commons Attribution 3.0" in text


def test_every_singer_can_pronounce_every_vowel():
    for name, syllables in singer.bank().items():
        assert set(syllables) <= set(SYLLABLES), name
        assert {s[-1] for s in syllables} == set("aiueo"), name
        assert len(syllables) >= 15, name
        for recordings in syllables.values():
            assert all(0 <= r.onset < r.loop < len(r.audio) - r.crossfade for r in recordings)
            assert all(0.05 < np.sqrt(np.mean(r.audio[r.onset + 4410 :] ** 2)) < 0.2 for r in recordings)


@pytest.mark.parametrize("name", ["bright", "plain", "warm", "dark"])
@pytest.mark.parametrize(("pitch", "register"), [(64, 0.0), (72, 0.0), (76, 0.0), (60, 4.0), (55, 8.5)])
def test_pitch_within_a_quarter_of_a_semitone(name, pitch, register):
    for k, syllable in enumerate(("ra", "mi", "ne", "u", "ko")):
        rng = np.random.default_rng(k)
        audio = singer.sing(voice(name, register), [Sung(0.3, 1.2, pitch, syllable, 0.8)], 1.8, 0.0, rng)
        written = 440 * 2 ** ((pitch - 69) / 12)
        heard = fundamental(audio[int(0.6 * RATE) : int(1.4 * RATE)], written)
        assert abs(12 * np.log2(heard / written)) < 0.25, syllable


def test_tuning_and_detune_are_cents():
    rng = np.random.default_rng
    note = [Sung(0.3, 1.2, 69, "a", 0.8)]
    plain = fundamental(singer.sing(voice(), note, 1.8, 0.0, rng(0))[RATE // 2 : RATE * 7 // 5], 440)
    sharp = fundamental(singer.sing(voice(detune=20.0), note, 1.8, 30.0, rng(0))[RATE // 2 : RATE * 7 // 5], 440)
    assert 1200 * np.log2(sharp / plain) == pytest.approx(50, abs=8)


def test_notes_begin_and_end_on_time():
    audio = singer.sing(voice(), [Sung(0.5, 0.6, 69, "ta", 0.9)], 2.0, 0.0, np.random.default_rng(0))
    level = np.sqrt(np.convolve(audio.astype(float) ** 2, np.ones(441) / 441, "same"))
    sounding = np.flatnonzero(level > 0.2 * level.max()) / RATE
    assert 0.3 < sounding[0] < 0.56
    assert 1.0 < sounding[-1] < 1.2
    assert np.abs(audio[int(1.25 * RATE) :]).max() == 0


def test_a_vowel_is_carried_over_without_a_break():
    notes = [Sung(0.3, 0.5, 67, "ra", 0.8), Sung(0.8, 0.6, 69, "a", 0.8)]
    audio = singer.sing(voice(), notes, 1.8, 0.0, np.random.default_rng(0))
    level = np.sqrt(np.convolve(audio.astype(float) ** 2, np.ones(882) / 882, "same"))
    joint = level[int(0.72 * RATE) : int(0.9 * RATE)]
    assert joint.min() > 0.2 * np.median(level[int(0.5 * RATE) : int(1.2 * RATE)])


def test_long_notes_loop_without_clicks():
    audio = singer.sing(voice(), [Sung(0.2, 4.0, 69, "o", 0.8)], 4.5, 0.0, np.random.default_rng(0))
    held = audio[int(0.6 * RATE) : int(4.0 * RATE)].astype(float)
    assert np.sqrt(np.mean(held**2)) > 0.03
    # A click is a broadband event: the second difference of a frame would tower over that of its neighbours.
    rough = np.abs(np.diff(held, 2))
    frames = rough[: len(rough) // 441 * 441].reshape(-1, 441).max(1)
    assert frames.max() < 5 * np.median(frames)


def test_interpolation_is_exact_for_quadratics():
    tape = (np.arange(50) ** 2).astype(np.float64)
    position = np.linspace(2, 46, 333)
    np.testing.assert_allclose(singer._read(tape, position), position**2, rtol=1e-9)
