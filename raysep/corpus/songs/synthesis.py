"""A corpus of rendered songs: `raysep synth`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from raysep import stopping
from raysep.corpus import outputs, storage
from raysep.corpus.hashing import generator
from raysep.corpus.songs import band, renderer, singer, sounds
from raysep.corpus.songs.composer import compose
from raysep.corpus.songs.score import Part, Song
from raysep.corpus.songs.styles import STYLES
from raysep.errors import BadInput

LABELS = ("vocals", "drums", "bass", "other")
MIXTURE = "mixture"
FILES = len(LABELS) + 1  # of a song
FRAME_BYTES = 4  # stereo, 16 bits
PLAIN, WIDE = VARIETIES = ("plain", "wide")
LIMITS = {"songs": (1, 100_000), "seconds": (6.0, 600.0), "sample_rate": (8_000, 192_000), "workers": (1, 1_024)}


def synthesise(
    out_uri: str,
    songs: int,
    seconds: float,
    sample_rate: int,
    seed: int,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    prefix: str = "song",
    font: str | Path | None = None,
    overwrite: bool = False,
    variety: str = PLAIN,
) -> list[str]:
    """Write ``songs`` songs as ``out_uri/<name>/{vocals,drums,bass,other,mixture}.wav``, 16-bit stereo; their names.

    The mixture is the exact sum of the stems. Song ``k`` depends on ``(prefix, seed, k)``, the length, the rate, the
    font and the variety only: not on the number of songs or workers. With ``variety`` "wide" every part has a sound of its own
    (``sounds.py``). ``progress(done, total)`` is called after every song.
    Raises ``BadInput`` when an argument is out of range, or when the renderer or the font is missing; before any song,
    ``OutputError`` when the folder cannot be written or has no room, and without ``overwrite`` ``RunConflict`` when one of the
    files is there and was not made by a call of the same seed, length, rate and font.
    """
    workers = (os.cpu_count() or 1) if workers is None else workers
    given = {"songs": songs, "seconds": seconds, "sample_rate": sample_rate, "workers": workers}
    for name, (low, high) in LIMITS.items():
        if not low <= given[name] <= high:
            raise BadInput(f"{name} = {given[name]}: give a value from {low} to {high}")
    if variety not in VARIETIES:
        raise BadInput(f"variety {variety!r}: choose one of {', '.join(VARIETIES)}")
    font_path = str(Path(font).expanduser().resolve() if font else renderer.default_font())
    renderer.load(font_path)  # fail here, once, and not in every worker
    out = outputs.try_folder(out_uri, needs_bytes=songs * FILES * round(seconds * sample_rate) * FRAME_BYTES)
    about = {"seed": seed, "seconds": seconds, "sample_rate": sample_rate, "font": str(font) if font else "default"}
    if variety != PLAIN:
        about["variety"] = variety
    files = [f"{name_of(prefix, number)}/{label}.wav" for number in range(songs) for label in (*LABELS, MIXTURE)]
    outputs.claim(out, f"raysep synth {prefix}", about, files, overwrite=overwrite)
    write = partial(_write_song, out, seconds, sample_rate, seed, prefix, font_path, variety)
    names = []
    if workers == 1 or songs == 1:
        for number in range(songs):
            names.append(write(number))
            if progress:
                progress(number + 1, songs)
        return names
    with ProcessPoolExecutor(min(workers, songs), get_context("spawn"), stopping.left_to_parent) as pool:
        pending = [pool.submit(write, number) for number in range(songs)]
        for done, future in enumerate(as_completed(pending), 1):
            names.append(future.result())
            if progress:
                progress(done, songs)
    return sorted(names)


def name_of(prefix: str, number: int) -> str:
    return f"{prefix}-{number:04d}"


def perform(
    song: Song, rng: np.random.Generator, sample_rate: int, font: str, variety: str = PLAIN
) -> dict[str, np.ndarray]:
    """Play a song: label → float32 ``(2, time)`` at ``sample_rate`` Hz, mixed so that the sum does not clip."""
    from raysep.audio.resample import resample

    chosen: dict[str, tuple[sounds.Sound, ...]] = {}
    if variety == WIDE:
        song, chosen = sounds.widen(song, rng)
    style = next(s for s in STYLES if s.name == song.style)
    strips, room = band.mix(rng, style, song.tempo)
    frames = round(song.seconds * sample_rate)
    stems = {}
    for label in LABELS:
        if label == "vocals":
            dry = _choir(song, rng)
            for sound in chosen.get(label, ()):
                dry = sounds.colour(dry, sound, renderer.RENDER_RATE)
        elif chosen:
            dry = _ensemble(getattr(song, label), chosen[label], song, font)
        else:
            dry = renderer.render(getattr(song, label), song.seconds, font, song.tuning)
        audio = resample(dry, renderer.RENDER_RATE, sample_rate)[:, :frames]
        audio = np.pad(audio, ((0, 0), (0, frames - audio.shape[1])))
        stems[label] = band.process(audio, strips[label], room, sample_rate)
    return band.balance(stems)


def _ensemble(parts: Sequence[Part], chosen: Sequence[sounds.Sound], song: Song, font: str) -> np.ndarray:
    """The parts of one stem, each with its own sound, ``(2, time)`` at the renderer's rate."""
    from raysep.audio.resample import resample

    frames = round(song.seconds * renderer.RENDER_RATE)
    whole = np.zeros((2, frames), dtype=np.float32)
    for part, sound in zip(parts, chosen, strict=True):
        slow, ratio = sounds.at_speed(part, sound.shift)
        tape = renderer.render((slow,), song.seconds * ratio, font, song.tuning)
        played = resample(tape, round(renderer.RENDER_RATE * ratio), renderer.RENDER_RATE)[:, :frames]
        whole[:, : played.shape[1]] += sounds.colour(played, sound, renderer.RENDER_RATE)
    return whole


def _choir(song: Song, rng: np.random.Generator) -> np.ndarray:
    """All sung lines at their places in the stereo image, ``(2, time)`` at the renderer's rate."""
    audio = np.zeros((2, round(song.seconds * singer.RATE)), dtype=np.float32)
    for line in song.vocals:
        sound = singer.sing(line.voice, line.notes, song.seconds, song.tuning, rng)
        angle = line.voice.pan * np.pi / 2
        gain = 10 ** (line.voice.gain / 20)
        audio += np.array([[np.cos(angle)], [np.sin(angle)]], dtype=np.float32) * np.float32(gain) * sound
    return audio


def _write_song(
    out_uri: str, seconds: float, sample_rate: int, seed: int, prefix: str, font: str, variety: str, number: int
) -> str:
    from raysep.audio.files import encode

    rng = generator(seed, prefix, number)
    stems = perform(compose(rng, seconds), rng, sample_rate, font, variety)
    # Rounded before they are added up: the mixture file then is the sum of the stem files to the last bit.
    whole = {label: np.rint(audio * 32768).astype(np.int32) for label, audio in stems.items()}
    whole[MIXTURE] = sum(whole.values())
    name = name_of(prefix, number)
    for label, samples in whole.items():
        data = encode(samples.astype(np.float32) / 32768, sample_rate)
        storage.write_bytes(storage.join(out_uri, name, f"{label}.wav"), data)
    return name
