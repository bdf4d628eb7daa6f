"""Keys, chord progressions and how chords are laid out on an instrument."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
# Scale degrees counted from 0, one chord a bar.
PROGRESSIONS = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 4), (1, 4, 0, 0), (5, 3, 0, 4), (0, 2, 3, 4), (0, 3, 0, 4),
              (3, 4, 2, 5), (0, 5, 1, 4), (3, 0, 4, 5), (0, 0, 3, 4), (2, 5, 1, 4)),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 4), (0, 5, 3, 4), (0, 3, 6, 2), (0, 2, 6, 3), (5, 6, 0, 0),
              (0, 4, 5, 3), (3, 6, 2, 5)),
    "dorian": ((0, 3, 0, 3), (0, 2, 3, 0), (0, 6, 3, 0), (0, 0, 3, 3)),
    "mixolydian": ((0, 6, 3, 0), (0, 3, 6, 3), (0, 4, 6, 3), (0, 0, 6, 3)),
}  # fmt: skip


@dataclass(frozen=True)
class Chord:
    root: int  # pitch class
    tones: tuple[int, ...]  # pitch classes, from the root upwards

    def nearest(self, pitch: float) -> int:
        """The chord tone (MIDI) nearest to a pitch."""
        candidates = [tone + 12 * octave for tone in self.tones for octave in range(11)]
        return min(candidates, key=lambda p: (abs(p - pitch), p))


def scale(tonic: int, mode: str) -> tuple[int, ...]:
    return tuple((tonic + step) % 12 for step in MODES[mode])


def chord(tonic: int, mode: str, degree: int, sevenths: bool) -> Chord:
    """Thirds piled up on a degree of the scale; the dominant of a minor key gets its leading tone."""
    steps = MODES[mode]
    count = 4 if sevenths else 3
    tones = [(tonic + steps[(degree + 2 * k) % 7]) % 12 for k in range(count)]
    if mode == "minor" and degree == 4:
        tones[1] = (tonic + 11) % 12
    return Chord(tones[0], tuple(tones))


def progression(rng: np.random.Generator, tonic: int, mode: str, sevenths: bool) -> list[Chord]:
    choices = PROGRESSIONS[mode]
    return [chord(tonic, mode, degree, sevenths) for degree in choices[rng.integers(len(choices))]]


def voicing(harmony: Chord, centre: float, spread: bool) -> list[int]:
    """A close (or opened) position whose mean lies nearest to ``centre`` (MIDI), so that voices move little."""
    best: list[int] = []
    for inversion in range(len(harmony.tones)):
        order = harmony.tones[inversion:] + harmony.tones[:inversion]
        for octave in range(2, 8):
            pitches = [order[0] + 12 * octave]
            for tone in order[1:]:
                pitches.append(pitches[-1] + (tone - pitches[-1]) % 12)
            if spread:
                pitches[1] += 12
            if not best or abs(np.mean(pitches) - centre) < abs(np.mean(best) - centre):
                best = pitches
    return sorted(best)


def step_in_scale(pitch: int, steps: int, tones: tuple[int, ...]) -> int:
    """The scale tone ``steps`` scale steps above (or below) the scale tone nearest to ``pitch``."""
    ladder = [p for p in range(12, 116) if p % 12 in tones]
    here = min(range(len(ladder)), key=lambda i: abs(ladder[i] - pitch))
    return ladder[int(np.clip(here + steps, 0, len(ladder) - 1))]
