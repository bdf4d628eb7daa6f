"""Other sounds for the same notes: what makes one song's guitar unlike the next one's.

A sound font holds one recording of every instrument, so a separator has heard all there is to hear after a few songs. Real
corpora never run out in that way: every record has other instruments, players and engineers. Here each part draws an
instrument of its own, is played at another speed of the tape (which moves its formants and attacks, not its pitch), and goes
through a tone of several bells and up to two of the effects of a studio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from raysep.corpus.songs.score import Part, Song
from raysep.corpus.songs.styles import (
    ACOUSTIC_GUITARS,
    BRASS,
    CLEAN_GUITARS,
    DRIVEN_GUITARS,
    ELECTRIC_PIANOS,
    FOLK,
    HORNS,
    LEADS,
    MALLETS,
    ORGANS,
    PADS,
    PIANOS,
    PLUCKED,
    STRINGS,
    WINDS,
)

BASSES = (32, 33, 34, 35, 36, 37, 38, 39, 43, 58, 87)
KITS = (0, 8, 16, 24, 25, 32, 40, 48)
CHORDAL = (
    PIANOS + ELECTRIC_PIANOS + ORGANS + ACOUSTIC_GUITARS + CLEAN_GUITARS + DRIVEN_GUITARS
    + STRINGS + PADS + BRASS + MALLETS + PLUCKED + LEADS + WINDS + HORNS + FOLK
)  # fmt: skip
SHIFTS = {"drums": 6.0, "bass": 5.0, "other": 7.0}  # semitones, at most, either way


@dataclass(frozen=True)
class Sound:
    """What one part goes through before the desk."""

    shift: float  # semitones by which the tape runs faster; its pitch is played lower by as much
    bells: tuple[tuple[float, float, float], ...]  # Hz, dB, octaves
    effects: tuple[tuple[str, tuple[float, ...]], ...]  # name, settings


def widen(song: Song, rng: np.random.Generator) -> tuple[Song, dict[str, tuple[Sound, ...]]]:
    """The song with instruments of its own, and a sound for each part of each stem; vocals have one."""
    sounds: dict[str, tuple[Sound, ...]] = {"vocals": (_draw(rng, "vocals"),)}
    stems: dict[str, tuple[Part, ...]] = {}
    for label, programs in (("drums", KITS), ("bass", BASSES), ("other", CHORDAL)):
        parts = getattr(song, label)
        stems[label] = tuple(
            replace(part, program=int(programs[int(rng.integers(len(programs)))])) if rng.random() < 0.6 else part
            for part in parts
        )
        sounds[label] = tuple(_draw(rng, label) for _ in parts)
    return replace(song, drums=stems["drums"], bass=stems["bass"], other=stems["other"]), sounds


def _draw(rng: np.random.Generator, label: str) -> Sound:
    most = SHIFTS.get(label, 0.0)
    bells = tuple(
        (float(np.exp(rng.uniform(np.log(120), np.log(7000)))), float(rng.uniform(-9, 9)), float(rng.uniform(0.3, 1.2)))
        for _ in range(3)
    )
    fitting = [name for name, (labels, _, _) in EFFECTS.items() if label in labels]
    count = int(rng.choice((0, 1, 2), p=(0.35, 0.4, 0.25)))
    drawn = [fitting[int(k)] for k in rng.choice(len(fitting), count, replace=False)]
    effects = tuple(
        (name, tuple(low + (high - low) * float(rng.random()) for low, high in EFFECTS[name][1])) for name in drawn
    )
    return Sound(float(round(rng.uniform(-most, most))), bells, effects)


def at_speed(part: Part, shift: float) -> tuple[Part, float]:
    """The part as it must be played so that a tape ``shift`` semitones faster gives it back, and the tape's ratio."""
    ratio = 2 ** (shift / 12)
    lower = 0 if part.drums else round(shift)
    notes = tuple(
        replace(n, start=n.start * ratio, duration=n.duration * ratio, pitch=int(np.clip(n.pitch - lower, 0, 127)))
        for n in part.notes
    )
    return replace(part, notes=notes), ratio


def colour(audio: np.ndarray, sound: Sound, rate: int) -> np.ndarray:
    """``(2, time)`` through the sound's bells and effects, float32, as loud as before; silence stays silence."""
    before = _power(audio)
    if before <= 1e-14:
        return audio
    audio = _filtered(audio, rate, lambda frequency: _tone(frequency, sound.bells))
    for name, values in sound.effects:
        audio = audio * (0.1 / np.sqrt(_power(audio)))  # every effect acts on a known level
        audio = EFFECTS[name][2](audio, rate, *values)
    return (audio * np.sqrt(before / max(_power(audio), 1e-14))).astype(np.float32)


def _filtered(audio: np.ndarray, rate: int, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """``(2, time)`` times a gain at every frequency in Hz, without phase; what would come round the end falls into silence."""
    from scipy import fft

    size = fft.next_fast_len(audio.shape[1] + rate // 10, real=True)
    spectrum = fft.rfft(audio, size) * gain(np.maximum(fft.rfftfreq(size, 1 / rate), 1.0))
    return fft.irfft(spectrum, size)[:, : audio.shape[1]]


def _tone(frequency: np.ndarray, bells: Sequence[tuple[float, float, float]]) -> np.ndarray:
    decibels = np.zeros_like(frequency)
    for hertz, height, octaves in bells:
        decibels += height * np.exp(-0.5 * (np.log2(frequency / hertz) / octaves) ** 2)
    return 10 ** (decibels / 20)


def _power(audio: np.ndarray) -> float:
    return float(np.mean(np.square(audio, dtype=np.float64)))


def _chorus(audio: np.ndarray, rate: int, milliseconds: float, hertz: float, share: float) -> np.ndarray:
    """A second player whose delay sways."""
    time = np.arange(audio.shape[1])
    late = time - rate * (0.008 + milliseconds / 1000 * (1 + np.sin(2 * np.pi * hertz * time / rate)) / 2)
    return audio + share * np.stack([np.interp(late, time, channel, left=0.0) for channel in audio])


def _tremolo(audio: np.ndarray, rate: int, hertz: float, depth: float) -> np.ndarray:
    return audio * (1 - depth * (1 + np.sin(2 * np.pi * hertz * np.arange(audio.shape[1]) / rate)) / 2)


def _crush(audio: np.ndarray, rate: int, bits: float, hold: float) -> np.ndarray:
    """Coarse steps in level and in time."""
    del rate
    step = 2.0 ** (1 - round(bits))
    kept = np.arange(audio.shape[1]) // round(hold) * round(hold)
    return np.rint(audio[:, kept] / step) * step


def _squeeze(audio: np.ndarray, rate: int, ratio: float, milliseconds: float) -> np.ndarray:
    """A compressor: what is above the mean level comes nearer to it."""
    from scipy.ndimage import uniform_filter1d

    level = uniform_filter1d(np.mean(audio**2, axis=0), max(1, round(rate * milliseconds / 1000)))
    return audio * np.maximum(np.sqrt(np.maximum(level, 0.0)) / 0.1, 0.3) ** (1 / ratio - 1)


def _fold(audio: np.ndarray, rate: int, drive: float) -> np.ndarray:
    """A distortion that folds back what is too loud: other overtones than a soft limit."""
    del rate
    return np.sin(audio * drive)


def _comb(audio: np.ndarray, rate: int, milliseconds: float, gain: float) -> np.ndarray:
    """A short echo: notches and peaks at equal distances."""
    delay = max(1, round(rate * milliseconds / 1000))
    late = np.zeros_like(audio)
    late[:, delay:] = audio[:, :-delay]
    return audio + gain * late


def _band(audio: np.ndarray, rate: int, low: float, high: float) -> np.ndarray:
    """A small loudspeaker: little below ``low`` and above ``high`` Hz."""
    return _filtered(audio, rate, lambda f: 1 / np.sqrt(1 + (low / f) ** 4) / np.sqrt(1 + (f / high) ** 4))


def _chop(audio: np.ndarray, rate: int, hertz: float, share: float) -> np.ndarray:
    """Cut into equal pieces, as by a sequencer, with soft edges."""
    phase = np.arange(audio.shape[1]) * hertz / rate % 1.0
    return audio * np.clip((share - phase) * 25, 0.05, 1.0) * np.clip(phase * 25, 0.05, 1.0)


Effect = Callable[..., np.ndarray]
TONAL = ("vocals", "bass", "other")
ALL = ("vocals", "drums", "bass", "other")
# name: the stems that may have it, the range of every setting, what it does.
EFFECTS: dict[str, tuple[tuple[str, ...], tuple[tuple[float, float], ...], Effect]] = {
    "chorus": (TONAL, ((1.0, 7.0), (0.2, 3.0), (0.4, 1.0)), _chorus),
    "tremolo": (("bass", "other"), ((2.5, 9.0), (0.4, 0.9)), _tremolo),
    "crush": (("drums", "other"), ((4.0, 8.0), (1.0, 5.0)), _crush),
    "squeeze": (ALL, ((2.0, 8.0), (5.0, 60.0)), _squeeze),
    "fold": (ALL, ((4.0, 14.0),), _fold),
    "comb": (ALL, ((0.3, 9.0), (-0.8, 0.8)), _comb),
    "band": (("vocals", "drums", "other"), ((150.0, 500.0), (2200.0, 6000.0)), _band),
    "chop": (("other",), ((3.0, 8.0), (0.4, 0.8)), _chop),
}
