"""Sounds of their own: the notes stay, the pitch stays, what changes is what a separator has to get used to."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.audio.resample import resample
from raysep.corpus.hashing import generator
from raysep.corpus.songs import renderer, sounds
from raysep.corpus.songs.composer import compose
from raysep.corpus.songs.score import Note, Part
from raysep.corpus.songs.sounds import EFFECTS, Sound, at_speed, colour, widen
from raysep.corpus.songs.synthesis import LABELS, PLAIN, WIDE, perform

RATE = renderer.RENDER_RATE
VOICES = {52, 53, 54, 85, 91}  # General MIDI: singing belongs to one stem only


def tone(hertz: float, seconds: float = 0.5) -> np.ndarray:
    wave = 0.2 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, 0.5 * wave]).astype(np.float32)


def fundamental(audio: np.ndarray) -> float:
    """Hz of the strongest partial, by a parabola through its peak."""
    piece = audio[0] * np.hanning(audio.shape[1])
    power = np.log(np.abs(np.fft.rfft(piece, 1 << 19)) + 1e-12)
    k = int(power.argmax())
    a, b, c = power[k - 1 : k + 2]
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / (1 << 19)


@pytest.mark.parametrize("shift", [-7.0, -1.0, 0.0, 5.0, 7.0])
def test_a_faster_tape_changes_neither_pitch_nor_time(shift):
    part = Part(73, (Note(0.5, 1.0, 72, 0.8),))  # a flute: nearly a single partial
    slow, ratio = at_speed(part, shift)
    tape = renderer.render((slow,), 2.0 * ratio, str(renderer.default_font()))
    played = resample(tape, round(RATE * ratio), RATE)
    sung = played[:, round(0.7 * RATE) : round(1.4 * RATE)]
    cents = 1200 * np.log2(fundamental(sung) / (440 * 2 ** (3 / 12)))
    assert abs((cents + 600) % 1200 - 600) < 25  # of any octave; the font's own vibrato
    heard = np.flatnonzero(np.abs(played[0]) > 0.02 * np.abs(played[0]).max())
    assert 0.49 < heard[0] / RATE < 0.6


def test_drums_keep_their_keys():
    part = Part(0, (Note(0.1, 0.2, 36, 1.0),), drums=True)
    slow, ratio = at_speed(part, 6.0)
    assert [n.pitch for n in slow.notes] == [36]
    assert slow.notes[0].start == pytest.approx(0.1 * ratio)


@given(st.sampled_from(sorted(EFFECTS)), st.integers(0, 10_000), st.floats(60, 5000))
def test_every_effect_keeps_length_level_and_channels(name, seed, hertz):
    rng = np.random.default_rng(seed)
    values = tuple(float(rng.uniform(low, high)) for low, high in EFFECTS[name][1])
    before = tone(hertz) * np.linspace(
        1, 0.05, RATE // 2, dtype=np.float32
    )  # dies away: a compressor leaves a steady tone
    after = colour(before, Sound(0.0, (), ((name, values),)), RATE)
    assert after.shape == before.shape
    assert after.dtype == np.float32
    assert np.isfinite(after).all()
    assert np.mean(after**2) == pytest.approx(np.mean(before**2), rel=1e-3)
    assert not np.allclose(after, before, atol=1e-4)


def test_silence_stays_silent():
    silence = np.zeros((2, 1000), dtype=np.float32)
    assert not colour(silence, Sound(0.0, ((500.0, 9.0, 0.5),), (("fold", (9.0,)),)), RATE).any()


def test_a_bell_lifts_its_own_frequency_by_what_it_says():
    both = tone(500.0) + tone(4000.0)
    after = colour(both, Sound(0.0, ((500.0, 9.0, 0.4),), ()), RATE)

    def level(audio, hertz):
        return 20 * np.log10(np.abs(np.fft.rfft(audio[0])[round(hertz * audio.shape[1] / RATE)]))

    gained = (level(after, 500) - level(after, 4000)) - (level(both, 500) - level(both, 4000))
    assert gained == pytest.approx(9.0, abs=0.1)


def test_the_same_notes_with_instruments_that_fit_their_stem():
    song = compose(generator(3, "song", 0), 9.0)
    wide, chosen = widen(song, generator(3, "sounds", 0))
    for label, programs in (("drums", sounds.KITS), ("bass", sounds.BASSES), ("other", sounds.CHORDAL)):
        before, after = getattr(song, label), getattr(wide, label)
        assert [part.notes for part in after] == [part.notes for part in before]
        assert all(a.program in programs or a.program == b.program for a, b in zip(after, before, strict=True))
        assert len(chosen[label]) == len(after)
    assert not VOICES & {*sounds.CHORDAL, *sounds.BASSES}
    assert replace(wide, drums=song.drums, bass=song.bass, other=song.other) == song
    assert widen(song, generator(3, "sounds", 0)) == (wide, chosen)


def test_wide_songs_are_the_same_for_the_same_seed_and_other_than_plain_ones():
    font = str(renderer.default_font())

    def played(variety):
        rng = generator(4, "song", 1)
        return perform(compose(rng, 6.0), rng, 8000, font, variety)

    first, again, plain = played(WIDE), played(WIDE), played(PLAIN)
    for label in LABELS:
        assert np.array_equal(first[label], again[label])
        assert first[label].shape == plain[label].shape
        assert np.corrcoef(first[label][0], plain[label][0])[0, 1] < 0.98
        assert np.sqrt(np.mean(first[label] ** 2)) > 0.005
