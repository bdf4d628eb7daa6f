"""The embedder that needs no weights: level and motion of log-mel bands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from raysep.audio import mel
from raysep.probes.embedders.base import windows_of

FLOOR_DB = -80.0  # quieter than this in a mel band is nothing
AT_ONCE = 64  # windows transformed together: bounds memory


@dataclass(frozen=True)
class LogMelEmbedder:
    """Mean and standard deviation of each log-mel band over about a second: timbre and its motion, 2 · mels numbers."""

    sample_rate: int
    mels: int = 64
    window_seconds: float = 1.0
    hop_seconds: float = 0.5

    name: ClassVar[str] = "logmel"
    least_spread: ClassVar[float] = 0.1  # dB
    weights_digest: ClassVar[str] = ""

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

    def to(self, device: str | torch.device) -> LogMelEmbedder:
        return self  # its tables follow the audio

    @torch.inference_mode()
    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        window, hop = (round(s * self.sample_rate) for s in (self.window_seconds, self.hop_seconds))
        windows = windows_of(batch.float(), window, hop)  # (batch, frame, time)
        embedded = [self._embed_windows(part) for part in windows.split(AT_ONCE, dim=1)]
        return torch.cat(embedded, dim=1)

    def _embed_windows(self, windows: torch.Tensor) -> torch.Tensor:
        """``(batch, frame, time)`` to ``(batch, frame, dimension)``."""
        flat, shape = windows.reshape(-1, windows.shape[-1]), self.window.to(windows.device)
        spectrum = torch.stft(flat, self.n_fft, self.n_fft // 2, window=shape, center=False, return_complex=True)
        power = spectrum.abs().square() / (shape.square().sum() * self.n_fft)
        bands = self.filters.to(windows.device) @ power  # (batch · frame, mel, time)
        decibels = 10.0 * torch.log10(bands.clamp_min(10.0 ** (FLOOR_DB / 10.0)))
        features = torch.cat([decibels.mean(dim=-1), decibels.std(dim=-1, correction=0)], dim=-1)
        return features.unflatten(0, windows.shape[:2])


def build(sample_rate: int, weights: str = "") -> LogMelEmbedder:
    return LogMelEmbedder(sample_rate)


def mel_filters(sample_rate: int, n_fft: int, mels: int, lowest_hz: float = 30.0) -> np.ndarray:
    """``(mel, bin)`` float32 triangles of height one, none of them empty."""
    return mel.filters(sample_rate, n_fft, mels, (lowest_hz, sample_rate / 2), fill=True)
