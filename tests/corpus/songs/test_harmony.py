"""Chords against music theory written out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.songs import harmony

C, D, E, F, G, A, B = 0, 2, 4, 5, 7, 9, 11


@pytest.mark.parametrize(
    ("tonic", "mode", "degree", "sevenths", "tones"),
    [
        (C, "major", 0, False, (C, E, G)),
        (C, "major", 4, True, (G, B, D, F)),
        (C, "major", 1, True, (D, F, A, C)),
        (A, "minor", 0, False, (A, C, E)),
        (A, "minor", 4, False, (E, 8, B)),  # the leading tone of A minor is G sharp
        (D, "dorian", 3, False, (G, B, D)),
        (G, "mixolydian", 6, False, (F, A, C)),
    ],
)
def test_chords_of_a_key(tonic, mode, degree, sevenths, tones):
    chord = harmony.chord(tonic, mode, degree, sevenths)
    assert chord.tones == tones
    assert chord.root == tones[0]


def test_nearest_chord_tone():
    assert harmony.chord(C, "major", 0, False).nearest(65) == 64
    assert harmony.chord(C, "major", 0, False).nearest(66) == 67


@given(st.integers(0, 11), st.sampled_from(sorted(harmony.MODES)), st.integers(0, 6), st.booleans(), st.floats(48, 76))
def test_voicing_holds_every_tone_once_and_lies_near_its_centre(tonic, mode, degree, sevenths, centre):
    chord = harmony.chord(tonic, mode, degree, sevenths)
    pitches = harmony.voicing(chord, centre, spread=False)
    assert sorted(p % 12 for p in pitches) == sorted(chord.tones)
    assert abs(np.mean(pitches) - centre) <= 6
    assert pitches[-1] - pitches[0] < 12


@given(st.integers(40, 90), st.integers(-7, 7), st.integers(0, 11))
def test_steps_stay_in_the_scale_and_seven_make_an_octave(pitch, steps, tonic):
    tones = harmony.scale(tonic, "major")
    start = harmony.step_in_scale(pitch, 0, tones)
    assert harmony.step_in_scale(pitch, steps, tones) % 12 in tones
    assert harmony.step_in_scale(start, 7, tones) == start + 12


def test_progressions_have_four_bars_of_the_key():
    for mode in harmony.MODES:
        for seed in range(20):
            chords = harmony.progression(np.random.default_rng(seed), 3, mode, False)
            assert len(chords) == 4
            assert all(c.root in harmony.scale(3, mode) for c in chords)
