"""From notes to sound with a sound font. The font is read once a process."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from raysep.corpus.songs.score import Part
from raysep.errors import BadInput

RENDER_RATE = 44_100  # Hz; sample players alias when they render below the rate of their samples
VOICES = 128
REMEDY = (
    "`pip install --no-deps tinysoundfont==0.3.7 pretty_midi==0.2.11.post0` (the second only for the sound font in its "
    "wheel), or name a sound font of your own with `--font FILE.sf2`"
)


def default_font() -> Path:
    """The sound font inside the pretty_midi wheel, found without importing the package. Raises ``BadInput``."""
    try:
        files = importlib.metadata.files("pretty_midi") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "TimGM6mb.sf2" and Path(str(file.locate())).is_file():
            return Path(str(file.locate()))
    raise BadInput(f"no sound font: TimGM6mb.sf2 is not installed; {REMEDY}")


@lru_cache(maxsize=2)
def load(font: str) -> Any:
    """The sound font ready to be cloned. Raises ``BadInput`` when the renderer or the file is missing or unusable."""
    try:
        from tinysoundfont import _tinysoundfont as engine
    except ImportError as error:
        raise BadInput(f"no renderer: tinysoundfont cannot be imported ({error}); {REMEDY}") from error
    if not Path(font).is_file():
        raise BadInput(f"{font}: no such sound font; {REMEDY}")
    try:
        loaded = engine.SoundFont(str(font))
    except RuntimeError as error:
        raise BadInput(f"{font}: not a sound font that can be read ({error}); {REMEDY}") from error
    loaded.set_output(engine.OutputMode.StereoInterleaved, RENDER_RATE, -10.0)
    return loaded


def render(parts: Sequence[Part], seconds: float, font: str, tuning: float = 0.0) -> np.ndarray:
    """Sound of one stem, float32 ``(2, time)`` at ``RENDER_RATE`` Hz; ``tuning`` in cents. At most 15 parts.

    Every call plays on a fresh clone of the font: nothing of the song before can ring on.
    """
    master = load(font)
    player = type(master)(master)
    player.set_max_voices(VOICES)  # a clone has no voices of its own
    events: list[tuple[int, int, int, int, float]] = []  # sample, 0 off / 1 on, channel, key, velocity
    for channel, part in enumerate(parts):
        player.channel_set_preset_number(channel, part.program, part.drums)
        player.channel_set_pan(channel, part.pan)
        player.channel_set_volume(channel, 10 ** (part.gain / 20))
        if not part.drums:
            player.channel_set_tuning(channel, tuning / 100)
        for note in part.notes:
            on = round(note.start * RENDER_RATE)
            off = on + max(round(note.duration * RENDER_RATE), RENDER_RATE // 50)
            events += [(on, 1, channel, note.pitch, note.velocity), (off, 0, channel, note.pitch, 0.0)]
    total = round(seconds * RENDER_RATE)
    audio = np.zeros((total, 2), dtype=np.float32)
    at = 0
    for sample, on, channel, key, velocity in sorted(events):
        if sample >= total:
            break
        if sample > at:
            player.render(audio[at:sample].data.cast("B"))
            at = sample
        if on:
            player.channel_note_on(channel, key, velocity)
        else:
            player.channel_note_off(channel, key)
    player.render(audio[at:].data.cast("B"))
    return np.ascontiguousarray(audio.T)
