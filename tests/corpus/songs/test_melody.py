"""Tunes that can be sung: inside the range, one note at a time, with a breath at the end."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.songs import harmony, melody

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.sampled_from([24, 32]), st.floats(0, 1))
def test_a_phrase_is_monophonic_and_breathes(seed, steps, syncopation):
    notes = melody.rhythm(np.random.default_rng(seed), steps, syncopation)
    assert notes
    ends = [step + length for step, length in notes]
    assert all(length > 0 for _, length in notes)
    assert all(end <= following for end, (following, _) in zip(ends, notes[1:], strict=False))
    assert steps - 5 <= ends[-1] <= steps - 2


@given(seeds, st.integers(0, 11), st.integers(50, 70))
def test_pitches_stay_in_range_and_strong_beats_carry_the_chord(seed, tonic, low):
    rng = np.random.default_rng(seed)
    tones = harmony.scale(tonic, "major")
    chord = harmony.chord(tonic, "major", 0, False)
    notes = melody.rhythm(rng, 32, 0.3)
    line = melody.pitches(notes, melody.contour(rng, len(notes)), lambda step: chord, tones, low + 7, low, low + 14)
    assert all(low <= pitch <= low + 14 for pitch in line)
    strong = [p for (step, length), p in zip(notes, line, strict=True) if step % 8 == 0 or length >= 4]
    assert all(p % 12 in chord.tones for p in strong)


def test_leaps_are_answered_by_a_step_back():
    for seed in range(30):
        moves = melody.contour(np.random.default_rng(seed), 40)
        for move, answer in itertools.pairwise(moves):
            if abs(move) >= 3:
                assert answer == -np.sign(move)
