"""Audio for the tests of this room: small, made here, and different for every label and track."""

from __future__ import annotations

import io

import numpy as np
import soundfile

LABELS = ("vocals", "drums", "bass", "other")
RATE = 16_000
TONES = {"vocals": 440.0, "drums": 1_500.0, "bass": 110.0, "other": 700.0}


def tones_and_noise(label: str, seed: int = 0, seconds: float = 2.0, rate: int = RATE, channels: int = 2) -> np.ndarray:
    """``(channel, time)`` about -20 dBFS: harmonics of the label's own pitch over a little noise, swelling."""
    rng = np.random.default_rng([seed, LABELS.index(label)])
    time = np.arange(round(seconds * rate)) / rate
    pitch = TONES[label] * rng.uniform(0.9, 1.1)
    tone = sum(np.sin(2 * np.pi * pitch * k * time + rng.uniform(0, 6)) / k for k in range(1, 6))
    swell = 0.3 + 0.7 * np.sin(2 * np.pi * rng.uniform(0.5, 1.5) * time) ** 2
    rows = [swell * (tone + 0.1 * rng.standard_normal(len(time))) * 0.1 for _ in range(channels)]
    return np.stack(rows).astype(np.float32)


def wav(audio: np.ndarray, rate: int = RATE, format: str = "WAV", subtype: str = "PCM_16") -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, audio.T, rate, format=format, subtype=subtype)
    return stream.getvalue()
