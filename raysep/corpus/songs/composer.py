"""Compose a song: everything that is drawn is drawn here, from one generator, in a fixed order."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from raysep.corpus.songs import grooves, melody
from raysep.corpus.songs.harmony import Chord, progression, scale, step_in_scale, voicing
from raysep.corpus.songs.score import SYLLABLES, Line, Note, Part, Song, Sung, Voice
from raysep.corpus.songs.styles import STYLES, Layer, Style

SINGERS = ("bright", "plain", "warm", "dark")
VELOCITIES = {"X": 0.95, "x": 0.72, "o": 0.42, "?": 0.6}
LONGEST_PAUSE = 0.28  # of a song: how long a stem may stay out, so that it is heard in most windows of three seconds


@dataclass(frozen=True)
class Arrangement:
    """The frame of a song: time, key and form, shared by all players."""

    style: Style
    tempo: float
    tonic: int
    tones: tuple[int, ...]
    bars: int
    chords: tuple[Chord, ...]  # one a bar
    chorus: tuple[bool, ...]  # one a bar
    shift: float  # seconds cut away at the start: a song need not begin on a bar line

    def seconds(self, bar: int, step: float) -> float:
        """Time of a sixteenth, swung."""
        beat, inside = divmod(step / 4, 1.0)
        inside = _warp(inside, self.style.swing)
        half, rest = divmod(inside * 2, 1.0)
        inside = (half + _warp(rest, self.style.sixteenth_swing)) / 2
        return (bar * self.style.steps / 4 + beat + inside) * 60 / self.tempo - self.shift

    def section_ends(self, bar: int) -> bool:
        return bar + 1 >= self.bars or (bar + 1) % 4 == 0


def _warp(position: float, middle: float) -> float:
    return position / 0.5 * middle if position < 0.5 else middle + (position - 0.5) / 0.5 * (1 - middle)


def compose(rng: np.random.Generator, seconds: float) -> Song:
    """A song of ``seconds`` seconds with four stems, none of which is silent for more than a third of it."""
    style = STYLES[rng.integers(len(STYLES))]
    plan = _plan(rng, style, seconds)
    parts = {
        "drums": (_drums(rng, plan),),
        "bass": (_bass(rng, plan),),
        "other": _layers(rng, plan),
    }
    vocals = _vocals(rng, plan)
    for label in parts:
        pause = _pause(rng, plan, seconds, 0.3)
        parts[label] = tuple(replace(part, notes=_without(part.notes, pause, seconds)) for part in parts[label])
    pause = _pause(rng, plan, seconds, 0.4)
    vocals = tuple(replace(line, notes=_without(line.notes, pause, seconds)) for line in vocals)
    tuning = float(np.clip(rng.normal(0, 8), -25, 25))
    return Song(style.name, plan.tempo, plan.tonic, seconds, tuning, vocals=vocals, **parts)


def _plan(rng: np.random.Generator, style: Style, seconds: float) -> Arrangement:
    tempo = float(rng.uniform(*style.tempo))
    bar_seconds = style.steps / 4 * 60 / tempo
    shift = float(rng.choice((0.0, 0.0, 0.5, 0.25, 0.75))) * bar_seconds
    bars = math.ceil((seconds + shift) / bar_seconds) + 1
    tonic, mode = int(rng.integers(12)), style.modes[rng.integers(len(style.modes))]
    sevenths = bool(rng.random() < style.sevenths)
    sections = [progression(rng, tonic, mode, sevenths), progression(rng, tonic, mode, sevenths)]
    first = int(rng.integers(2))
    chorus = tuple(bool((bar // 4 + first) % 2) for bar in range(bars))
    chords = tuple(sections[chorus[bar]][bar % 4] for bar in range(bars))
    return Arrangement(style, tempo, tonic, scale(tonic, mode), bars, chords, chorus, shift)


def _pause(rng: np.random.Generator, plan: Arrangement, seconds: float, chance: float) -> tuple[float, float]:
    """(start, end) in seconds of the bars a stem stays out; an empty span when it plays throughout."""
    bar = plan.style.steps / 4 * 60 / plan.tempo
    most = int(LONGEST_PAUSE * seconds / bar)
    if rng.random() > chance or most < 1:
        return 0.0, 0.0
    length = int(rng.integers(1, most + 1))
    start = 0 if rng.random() < 0.5 else int(rng.integers(0, plan.bars - length))
    return plan.seconds(start, 0), min(
        plan.seconds(start + length, 0), plan.seconds(start, 0) + LONGEST_PAUSE * seconds
    )


def _without(notes: tuple, pause: tuple[float, float], seconds: float) -> tuple:
    """Notes that start in the song and outside the pause (a hair of rubato allowed)."""
    start, end = pause
    inside = [n for n in notes if -0.02 <= n.start < seconds - 0.05 and not start - 0.03 <= n.start < end - 0.03]
    return tuple(replace(n, start=max(n.start, 0.0)) for n in sorted(inside, key=lambda n: n.start))


def _drums(rng: np.random.Generator, plan: Arrangement) -> Part:
    style = plan.style
    verse = _varied(rng, grooves.DRUMS[style.drums[rng.integers(len(style.drums))]])
    refrain = _varied(rng, grooves.DRUMS[style.drums[rng.integers(len(style.drums))]])
    fills = grooves.FILLS[style.steps]
    hits: list[Note] = []
    for bar in range(plan.bars):
        pattern = refrain if plan.chorus[bar] else verse
        if plan.section_ends(bar) and rng.random() < 0.6:
            pattern = fills[rng.integers(len(fills))]
        if bar % 4 == 0 and rng.random() < 0.6:
            hits.append(Note(plan.seconds(bar, 0), 1.5, grooves.KIT["C"], float(rng.uniform(0.6, 0.9))))
        for piece, line in pattern.items():
            for step, symbol in enumerate(line):
                if symbol == "." or (symbol == "?" and rng.random() < 0.5):
                    continue
                at = plan.seconds(bar, step) + rng.normal(0, 0.004)
                velocity = VELOCITIES[symbol] * rng.uniform(0.85, 1.1)
                hits.append(Note(at, 0.2, grooves.KIT[piece], float(min(velocity, 1.0))))
    return Part(style.kits[rng.integers(len(style.kits))], tuple(hits), drums=True)


def _varied(rng: np.random.Generator, groove: dict[str, str]) -> dict[str, str]:
    """The same groove with a few strokes made optional, so that two songs rarely share their drums."""
    return {
        piece: "".join("?" if c == "." and rng.random() < 0.04 else c for c in line) for piece, line in groove.items()
    }


def _bass(rng: np.random.Generator, plan: Arrangement) -> Part:
    style = plan.style
    figures = [grooves.BASS[style.bass[rng.integers(len(style.bass))]] for _ in range(2)]
    lowest = int(rng.integers(28, 33))
    short = rng.uniform(0.7, 1.0)
    notes: list[Note] = []
    for bar in range(plan.bars):
        chord, following = plan.chords[bar], plan.chords[(bar + 1) % plan.bars]
        root = lowest + (chord.root - lowest) % 12
        target = lowest + (following.root - lowest) % 12
        above = sorted((tone - chord.root) % 12 for tone in chord.tones)
        heights = {"R": root, "8": root + 12, "3": root + above[1], "5": root + above[2], "7": root + above[-1],
                   "a": step_in_scale(target, -1 if target > root else 1, plan.tones)}  # fmt: skip
        for step, length, symbol in grooves.spans(figures[plan.chorus[bar]]):
            start = plan.seconds(bar, step)
            duration = (plan.seconds(bar, step + length) - start) * (short if length < 4 else 0.95)
            velocity = (0.85 if step % 8 == 0 else 0.72) * rng.uniform(0.88, 1.12)
            notes.append(Note(start + rng.normal(0, 0.005), duration, heights[symbol], float(velocity)))
    programs = style.bass_programs
    return Part(int(programs[rng.integers(len(programs))]), tuple(notes))


def _layers(rng: np.random.Generator, plan: Arrangement) -> tuple[Part, ...]:
    chosen = [layer for k, layer in enumerate(plan.style.layers) if k == 0 or rng.random() < 0.62]
    parts = []
    for number, layer in enumerate(chosen):
        notes = _lead(rng, plan) if layer.role == "lead" else _comp(rng, plan, layer, resting=number > 0)
        program = int(layer.programs[rng.integers(len(layer.programs))])
        side = float(np.clip(0.5 + (-1) ** number * rng.uniform(0.0, 0.38), 0.08, 0.92))
        parts.append(Part(program, tuple(notes), side, float(rng.uniform(-5, 1) - 1.5 * number)))
    return tuple(parts)


def _comp(rng: np.random.Generator, plan: Arrangement, layer: Layer, resting: bool) -> list[Note]:
    """Chords and broken chords; a second layer may play only the verses or only the choruses."""
    fitting = [f for f in layer.figures if len(grooves.COMP[f]) == plan.style.steps] or [layer.figures[0]]
    figures = [grooves.COMP[fitting[rng.integers(len(fitting))]] for _ in range(2)]
    only = rng.choice((-1, 0, 1)) if resting and plan.bars > 6 else -1
    centre, spread = layer.centre + rng.uniform(-3, 3), bool(rng.random() < 0.3)
    strum = rng.uniform(0.0, 0.018)
    notes: list[Note] = []
    for bar in range(plan.bars):
        if only >= 0 and plan.chorus[bar] != only:
            continue
        pitches = voicing(plan.chords[bar], centre, spread)
        for step, length, symbol in grooves.spans(figures[plan.chorus[bar]]):
            start = plan.seconds(bar, step) + rng.normal(0, 0.005)
            duration = (plan.seconds(bar, step + length) - plan.seconds(bar, step)) * 0.93
            velocity = (0.55 if symbol == "c" else 0.78) * rng.uniform(0.88, 1.1)
            if symbol in "Cc":
                notes += [
                    Note(start + k * strum, max(duration - k * strum, 0.05), p, velocity) for k, p in enumerate(pitches)
                ]
            else:
                index = int(symbol)
                pitch = pitches[index % len(pitches)] + 12 * (index // len(pitches))
                notes.append(Note(start, duration * 1.4, pitch, velocity))
    return notes


def _lead(rng: np.random.Generator, plan: Arrangement) -> list[Note]:
    """An instrumental line in phrases of two bars, often left out so that the singer is not always answered."""
    low = int(rng.integers(60, 70))
    notes: list[Note] = []
    for bar, step, length, pitch, _ in _tune(rng, plan, low, low + 16, skip=0.35):
        start = plan.seconds(bar, step)
        duration = (plan.seconds(bar, step + length) - start) * 0.95
        notes.append(Note(start + rng.normal(0, 0.006), duration, pitch, float(rng.uniform(0.65, 0.9))))
    return notes


def _tune(
    rng: np.random.Generator, plan: Arrangement, low: int, high: int, skip: float
) -> list[tuple[int, int, int, int, int]]:
    """(bar, step, length, pitch, place in the phrase) over the whole song; phrases last two bars and come back."""
    steps = plan.style.steps
    motifs = []
    for _ in range(2):
        shape = melody.rhythm(rng, 2 * steps, plan.style.syncopation)
        motifs.append((shape, melody.contour(rng, len(shape))))
    line: list[tuple[int, int, int, int, int]] = []
    here = int((low + high) // 2 + rng.integers(-2, 3))
    for bar in range(0, plan.bars, 2):
        shape, moves = motifs[plan.chorus[bar]]
        if rng.random() < 0.3:  # an answer: the motif's rhythm with another ending
            moves = moves[: len(moves) // 2] + melody.contour(rng, len(moves) - len(moves) // 2)
        if rng.random() < skip:
            continue

        def chord_at(step: int, bar: int = bar) -> Chord:
            return plan.chords[min(bar + step // steps, plan.bars - 1)]

        heights = melody.pitches(shape, moves, chord_at, plan.tones, here, low, high)
        line += [(bar, step, length, p, k) for k, ((step, length), p) in enumerate(zip(shape, heights, strict=True))]
        here = heights[-1]
    return line


def _vocals(rng: np.random.Generator, plan: Arrangement) -> tuple[Line, ...]:
    """A lead singer, sometimes doubled, sometimes with a harmony in the choruses."""
    singer = SINGERS[rng.integers(len(SINGERS))]
    register = float(rng.choice((0.0, 2.0, 3.5, 7.0, 9.0)) + rng.uniform(-1, 1))  # from soprano to tenor
    lowest = round(62 - register + rng.integers(0, 4))
    voice = Voice(
        singer, register, float(rng.uniform(4.8, 6.2)), float(rng.uniform(12, 45)), float(rng.uniform(0.03, 0.08))
    )
    lead = _sing(rng, plan, _tune(rng, plan, lowest, lowest + 14, skip=0.0))
    lines = [Line(voice, lead)]
    if rng.random() < 0.3:
        late = rng.normal(0, 0.012, len(lead))
        take = tuple(replace(n, start=n.start + float(d)) for n, d in zip(lead, late, strict=True))
        lines.append(
            Line(replace(voice, pan=0.75, gain=-4.0, detune=9.0, vibrato_rate=voice.vibrato_rate * 0.93), take)
        )
        lines[0] = replace(lines[0], voice=replace(voice, pan=0.3))
    if rng.random() < 0.4:
        below = int(rng.choice((-2, 2, -5)))
        other = replace(voice, singer=SINGERS[rng.integers(len(SINGERS))], pan=float(rng.uniform(0.2, 0.8)), gain=-6.0)
        chorus = [n for n in lead if plan.chorus[_bar_of(plan, n.start)]]
        lines.append(Line(other, tuple(replace(n, pitch=step_in_scale(n.pitch, below, plan.tones)) for n in chorus)))
    return tuple(lines)


def _bar_of(plan: Arrangement, at: float) -> int:
    bar = int((at + plan.shift + 0.05) * plan.tempo / 60 * 4 / plan.style.steps)
    return min(max(bar, 0), plan.bars - 1)


def _sing(rng: np.random.Generator, plan: Arrangement, tune: list[tuple[int, int, int, int, int]]) -> tuple[Sung, ...]:
    """Words for a tune: now and then a vowel is carried over to the next note."""
    sung: list[Sung] = []
    for bar, step, length, pitch, place in tune:
        start = plan.seconds(bar, step) + rng.normal(0, 0.012)
        duration = (plan.seconds(bar, step + length) - plan.seconds(bar, step)) * (0.97 if length < 6 else 0.92)
        syllable = SYLLABLES[rng.integers(len(SYLLABLES))]
        if place and rng.random() < 0.15:
            syllable = sung[-1].syllable[-1]
        strength = (0.85 if step % 4 == 0 else 0.65) * rng.uniform(0.85, 1.15)
        sung.append(Sung(float(start), float(max(duration, 0.12)), pitch, syllable, float(strength)))
    return tuple(sung)
