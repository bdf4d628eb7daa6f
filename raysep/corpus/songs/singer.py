"""Singing: recorded syllables, read at a varying speed so that every pitch, slide and vibrato is ours.

The bank's notes have a steady pitch, a marked vowel onset and a loop of whole periods (``make_voice_bank.py``).
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from raysep.corpus.songs.score import Sung, Voice

RATE = 44_100  # Hz
RELEASE = 0.07  # seconds
LEGATO = 0.08  # a gap shorter than this is sung through


@dataclass(frozen=True)
class Recording:
    audio: np.ndarray  # (time,)
    hertz: float
    onset: int  # first sample of the vowel
    loop: int  # the loop runs from here to the crossfade at the end
    crossfade: int


@lru_cache(maxsize=1)
def bank() -> dict[str, dict[str, list[Recording]]]:
    """singer → syllable → recordings in order of pitch."""
    from raysep.audio.files import decode

    folder = resources.files("raysep.corpus.songs") / "voice"
    index = json.loads((folder / "bank.json").read_text())
    tape: dict[str, np.ndarray] = {}
    found: dict[str, dict[str, list[Recording]]] = {}
    for note in sorted(index["notes"], key=lambda n: n["hertz"]):
        singer = note["singer"]
        if singer not in tape:
            tape[singer] = decode(io.BytesIO((folder / f"{singer}.ogg").read_bytes()), f"{singer}.ogg")[0]
        audio = tape[singer][note["start"] : note["start"] + note["frames"]]
        recording = Recording(audio, note["hertz"], note["onset"], note["loop"], index["crossfade"])
        found.setdefault(singer, {}).setdefault(note["syllable"], []).append(recording)
    return found


def sing(voice: Voice, notes: Sequence[Sung], seconds: float, tuning: float, rng: np.random.Generator) -> np.ndarray:
    """One voice, mono float32 ``(time,)`` at ``RATE`` Hz; ``tuning`` in cents."""
    audio = np.zeros(round(seconds * RATE) + RATE)
    for k, note in enumerate(notes):
        before = notes[k - 1] if k and note.start - _end(notes[k - 1]) < LEGATO else None
        after = notes[k + 1] if k + 1 < len(notes) and notes[k + 1].start - _end(note) < LEGATO else None
        sound, lead = _note(voice, note, before, after, tuning, rng)
        start = round(note.start * RATE) - lead
        sound = sound[max(0, -start) :]
        start = max(0, start)
        sound = sound[: len(audio) - start]
        audio[start : start + len(sound)] += sound
    return audio[: round(seconds * RATE)].astype(np.float32)


def _end(note: Sung) -> float:
    return note.start + note.duration


def _note(
    voice: Voice, note: Sung, before: Sung | None, after: Sung | None, tuning: float, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Samples of one note and how many of them come before its beat (the consonant)."""
    target = 440 * 2 ** ((note.pitch - 69) / 12 + (tuning + voice.detune) / 1200)
    recording = _nearest(voice, note.syllable, target)
    ratio = target / recording.hertz
    # A vowel that goes on from the note before has no attack of its own.
    carried = before is not None and len(note.syllable) == 1 and before.syllable[-1] == note.syllable
    first = recording.onset if carried else 0
    lead = round((recording.onset - first) / ratio) + (RATE // 50 if carried else 0)
    if before is not None and not carried:  # a consonant never eats more than a third of the note before
        most = round(before.duration * RATE / 3)
        first += max(0, round((lead - most) * ratio))
        lead = min(lead, most)
    sung = note.duration if after is None else max(after.start - note.start, 0.05)
    length = lead + round((sung + (RELEASE if after is None else 0.03)) * RATE)
    cents = _cents(voice, note, before, length, lead, rng)
    speed = ratio * 2 ** (cents / 1200)
    position = first + np.concatenate([[0.0], np.cumsum(speed)[:-1]])
    sound = _read(_looped(recording, int(position[-1]) + 4), position)
    return sound * _envelope(note, length, lead, after is not None, carried, rng), lead


def _nearest(voice: Voice, syllable: str, target: float) -> Recording:
    """The recording whose pitch is nearest to the target plus the voice's register; its vowel, if all are far."""
    wanted = target * 2 ** (voice.register / 12)
    singer = bank()[voice.singer]

    def distance(recording: Recording) -> float:
        return abs(float(np.log2(recording.hertz / wanted)))

    best = min(singer.get(syllable, []), key=distance, default=None)
    if best is None or distance(best) > 3.5 / 12:
        sisters = [r for name, all_ in singer.items() if name[-1] == syllable[-1] for r in all_]
        best = min([*sisters, *([best] if best else [])], key=distance)
    return best


def _cents(
    voice: Voice, note: Sung, before: Sung | None, length: int, lead: int, rng: np.random.Generator
) -> np.ndarray:
    """Deviation from the written pitch: a slide into the note, a late vibrato, a slow drift. Cents ``(length,)``."""
    time = (np.arange(length) - lead) / RATE
    if before is None:
        slide = -float(rng.uniform(0, 90))
    else:
        slide = float(np.clip(100 * (before.pitch - note.pitch), -400, 400))
    glide = slide * np.exp(-np.maximum(time, 0) / voice.glide)
    bloom = np.clip((time - 0.22) / 0.35, 0, 1)
    rate = voice.vibrato_rate * float(rng.uniform(0.95, 1.05))
    vibrato = voice.vibrato_depth * bloom * np.sin(2 * np.pi * rate * time + float(rng.uniform(0, 2 * np.pi)))
    drift = 6 * np.sin(2 * np.pi * float(rng.uniform(0.3, 0.9)) * time + float(rng.uniform(0, 2 * np.pi)))
    return glide + vibrato + drift


def _looped(recording: Recording, needed: int) -> np.ndarray:
    """The recording, its loop repeated with a crossfade until ``needed`` samples are there."""
    cross = recording.crossfade
    body = recording.audio[:-cross]
    unit = body[recording.loop :].copy()
    fade = 0.5 - 0.5 * np.cos(np.pi * (np.arange(cross) + 0.5) / cross)
    unit[:cross] = unit[:cross] * fade + recording.audio[-cross:] * (1 - fade)
    times = max(0, -(-(needed - len(body)) // len(unit)))
    return np.concatenate([body, *[unit] * times])


def _read(tape: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Samples of ``tape`` at fractional positions by the Catmull-Rom cubic."""
    whole = position.astype(np.int64)
    t = position - whole
    a, b, c, d = (tape[np.clip(whole + k, 0, len(tape) - 1)].astype(np.float64) for k in (-1, 0, 1, 2))
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def _envelope(note: Sung, length: int, lead: int, legato: bool, carried: bool, rng: np.random.Generator) -> np.ndarray:
    """Loudness ``(length,)``: a swell on long notes, a quick fade at the end, a crossfade where the vowel goes on."""
    time = (np.arange(length) - lead) / RATE
    swell = 1 + float(rng.uniform(-0.1, 0.25)) * np.clip(time / max(note.duration, 0.1), 0, 1)
    envelope = note.strength * swell
    fade = min(length, round((0.03 if legato else RELEASE) * RATE))
    envelope[length - fade :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(fade) / fade)
    if carried:
        rise = min(length, round(0.05 * RATE))
        envelope[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    return envelope
