"""Frames of a stem: what an embedder must offer, and the small one that needs no weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from raysep.audio.levels import SILENCE_DBFS, rms_dbfs
from raysep.audio.resample import resample

LEVEL_DBFS = -20.0  # every stem is brought to this level: how loud it was mixed is no fault
FLOOR_DB = -80.0  # quieter than this in a mel band is nothing
AT_ONCE = 64  # windows transformed together: bounds memory


class Embedder(Protocol):
    sample_rate: int  # Hz of the audio it takes
    dimension: int
    window_seconds: float  # one frame sees this much audio …
    hop_seconds: float  # … and the next begins this much later

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """Mono audio ``(batch, time)`` to ``(batch, frame, dimension)``, frame k beginning at k · hop."""


@dataclass(frozen=True)
class LogMelEmbedder:
    """Mean and standard deviation of each log-mel band over about a second: timbre and its motion, 2 · mels numbers."""

    sample_rate: int
    mels: int = 64
    window_seconds: float = 1.0
    hop_seconds: float = 0.5

    @property
    def dimension(self) -> int:
        return 2 * self.mels

    @property
    def n_fft(self) -> int:
        """The power of two next to 50 ms."""
        return 2 ** round(np.log2(0.05 * self.sample_rate))

    @cached_property
    def filters(self) -> torch.Tensor:
        return torch.from_numpy(mel_filters(self.sample_rate, self.n_fft, self.mels))

    @cached_property
    def window(self) -> torch.Tensor:
        return torch.hann_window(self.n_fft)

    @torch.inference_mode()
    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        window, hop = (round(s * self.sample_rate) for s in (self.window_seconds, self.hop_seconds))
        frames = frame_count(batch.shape[-1], window, hop)
        batch = torch.nn.functional.pad(batch.float(), (0, max(0, (frames - 1) * hop + window - batch.shape[-1])))
        windows = batch.unfold(-1, window, hop)  # (batch, frame, time)
        embedded = [self._embed_windows(part) for part in windows.split(AT_ONCE, dim=1)]
        return torch.cat(embedded, dim=1)

    def _embed_windows(self, windows: torch.Tensor) -> torch.Tensor:
        """``(batch, frame, time)`` to ``(batch, frame, dimension)``."""
        flat = windows.reshape(-1, windows.shape[-1])
        spectrum = torch.stft(flat, self.n_fft, self.n_fft // 2, window=self.window, center=False, return_complex=True)
        power = spectrum.abs().square() / (self.window.square().sum() * self.n_fft)
        mel = self.filters @ power  # (batch · frame, mel, time)
        decibels = 10.0 * torch.log10(mel.clamp_min(10.0 ** (FLOOR_DB / 10.0)))
        features = torch.cat([decibels.mean(dim=-1), decibels.std(dim=-1, correction=0)], dim=-1)
        return features.unflatten(0, windows.shape[:2])


def mel_filters(sample_rate: int, n_fft: int, mels: int, lowest_hz: float = 30.0) -> np.ndarray:
    """``(mel, bin)`` float32 triangles of height one, evenly spaced on the mel scale 2595 log10(1 + f / 700)."""
    ends = 2595.0 * np.log10(1.0 + np.array([lowest_hz, sample_rate / 2]) / 700.0)
    corners = 700.0 * (10.0 ** (np.linspace(*ends, mels + 2) / 2595.0) - 1.0)
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    rising = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    # Low triangles are narrower than a bin: one that catches none takes the bin next to its peak.
    for empty in np.flatnonzero(filters.sum(axis=1) == 0.0):
        filters[empty, np.argmin(np.abs(bins - corners[empty + 1]))] = 1.0
    return filters.astype(np.float32)


def frame_count(samples: int, window: int, hop: int) -> int:
    """Windows that fit, at least one (a shorter stem is padded)."""
    return max(1, 1 + (samples - window) // hop)


def audible_frames(
    embedder: Embedder, audio: np.ndarray, sample_rate: int, silence: float = SILENCE_DBFS
) -> np.ndarray:
    """``(n, dimension)`` float32 embeddings of the frames of ``(channel, time)`` that are not silent; n may be 0.

    The stem is mixed to mono and brought to one level first; silence is judged before that.
    """
    mono = resample(audio.mean(axis=0, keepdims=True), sample_rate, embedder.sample_rate)[0]
    window, hop = (round(s * embedder.sample_rate) for s in (embedder.window_seconds, embedder.hop_seconds))
    loud = frame_levels(mono, window, hop) > silence
    if not loud.any():
        return np.zeros((0, embedder.dimension), dtype=np.float32)
    gain = 10.0 ** ((LEVEL_DBFS - rms_dbfs(mono)) / 20.0)
    embedded = embedder.embed(torch.from_numpy((gain * mono).astype(np.float32))[None])[0].numpy()
    return embedded[loud]


def frame_levels(mono: np.ndarray, window: int, hop: int) -> np.ndarray:
    """``(frame,)`` RMS of each window of ``(time,)``, dBFS."""
    frames = frame_count(len(mono), window, hop)
    energy = np.concatenate([[0.0], np.cumsum(np.square(mono, dtype=np.float64))])
    starts = hop * np.arange(frames)
    ends = np.minimum(starts + window, len(mono))
    power = (energy[ends] - energy[starts]) / window
    return 10.0 * np.log10(np.maximum(power, 1e-20))
