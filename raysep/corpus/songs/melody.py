"""A tune: rhythm first, then pitches that lean on the chords, with a motif that comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from raysep.corpus.songs.harmony import Chord, step_in_scale

# Lengths in sixteenths that fill one beat of four.
CALM = ((4,), (2, 2), (4,), (3, 1), (2, 2))
LIVELY = ((2, 2), (1, 1, 2), (2, 1, 1), (3, 1), (1, 2, 1), (1, 3))


def rhythm(rng: np.random.Generator, steps: int, syncopation: float) -> list[tuple[int, int]]:
    """(step, length) of the notes of one phrase of ``steps`` sixteenths, a breath at its end included.

    The last note is long; the breath takes two to five sixteenths.
    """
    breath = int(rng.integers(2, 6))
    onsets: list[int] = []
    for beat in range(0, steps, 4):
        cells = LIVELY if rng.random() < 0.25 + 0.6 * syncopation else CALM
        at = beat
        for length in cells[rng.integers(len(cells))]:
            onsets.append(at)
            at += length
    # Joining a beat to the one before gives long notes and notes across the beat.
    onsets = [s for s in onsets if s == 0 or s % 4 or rng.random() > 0.15 + 0.4 * syncopation]
    closing = steps - breath - int(rng.integers(3, 7))
    onsets = [s for s in onsets if s <= max(closing, 0)] or [0]
    if rng.random() < 0.3 and len(onsets) > 2:
        onsets = onsets[1:]  # the phrase starts after the bar line
    ends = [*onsets[1:], steps - breath]
    return [(s, e - s) for s, e in zip(onsets, ends, strict=True) if e > s]


def contour(rng: np.random.Generator, count: int) -> list[int]:
    """Scale steps between neighbouring notes: mostly steps, a few leaps, a leap answered by a step back."""
    moves: list[int] = []
    for _ in range(count):
        if moves and abs(moves[-1]) >= 3:
            moves.append(-int(np.sign(moves[-1])))
        else:
            moves.append(int(rng.choice((-4, -3, -2, -1, -1, 0, 1, 1, 2, 3, 4, 5))))
    return moves


def pitches(
    notes: Sequence[tuple[int, int]],
    moves: Sequence[int],
    chord_at: Callable[[int], Chord],
    tones: tuple[int, ...],
    start: int,
    low: int,
    high: int,
) -> list[int]:
    """MIDI pitches in ``[low, high]``: chord tones on strong beats and long notes, scale tones between them."""
    line: list[int] = []
    here = start
    for (step, length), move in zip(notes, moves, strict=True):
        here = step_in_scale(here, move, tones)
        while here > high:
            here -= 12 if here - 12 >= low else 2
        while here < low:
            here += 12 if here + 12 <= high else 2
        if step % 8 == 0 or length >= 4:
            here = chord_at(step).nearest(here)
            here = here - 12 if here > high else here + 12 if here < low else here
        line.append(here)
    return line
