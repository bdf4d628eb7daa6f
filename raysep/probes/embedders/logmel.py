"""The embedder that needs no weights: level and motion of log-mel bands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from raysep.audio import mel
from raysep.probes.embedders.base import windows_of
from raysep.probes.embedders.patches import mel_power

FLOOR_DB = -80.0  # quieter than this in a mel band is nothing
AT_ONCE = (8, 64)  # windows transformed together on a CPU, where they stay in the cache, and on an accelerator


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
        return torch.stack([self._frames(windows.split(_at_once(batch))) for windows in self._windows(batch)])

    @torch.inference_mode()
    def embed_some(self, audio: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        windows = self._windows(audio[None])[0]
        return self._frames(windows[part] for part in chosen.split(_at_once(audio)))

    def _windows(self, batch: torch.Tensor) -> torch.Tensor:
        """``(batch, time)`` to ``(batch, frame, window)``, a view."""
        window, hop = (round(s * self.sample_rate) for s in (self.window_seconds, self.hop_seconds))
        return windows_of(batch.float(), window, hop)

    def _frames(self, parts: Iterable[torch.Tensor]) -> torch.Tensor:
        """``(n, window)`` of each part to ``(all n, dimension)``: a few together, which bounds memory."""
        return torch.cat([self._embed_windows(part) for part in parts])

    def _embed_windows(self, windows: torch.Tensor) -> torch.Tensor:
        """``(n, window)`` to ``(n, dimension)``."""
        shape, filters = self.window.to(windows.device), self.filters.to(windows.device)
        bands = mel_power(windows.unfold(-1, self.n_fft, self.n_fft // 2), shape, filters.T)  # (n, spectrum, mel)
        decibels = 10.0 * torch.log10(
            (bands / (shape.square().sum() * self.n_fft)).clamp_min(10.0 ** (FLOOR_DB / 10.0))
        )
        mean = decibels.mean(dim=1, keepdim=True)
        # torch's own deviation goes along the strides, and takes five times as long.
        return torch.cat([mean[:, 0], (decibels - mean).square_().mean(dim=1).sqrt_()], dim=-1)


def _at_once(audio: torch.Tensor) -> int:
    return AT_ONCE[audio.device.type != "cpu"]


def build(sample_rate: int, weights: str = "") -> LogMelEmbedder:
    return LogMelEmbedder(sample_rate)


def mel_filters(sample_rate: int, n_fft: int, mels: int, lowest_hz: float = 30.0) -> np.ndarray:
    """``(mel, bin)`` float32 triangles of height one, none of them empty."""
    return mel.filters(sample_rate, n_fft, mels, (lowest_hz, sample_rate / 2), fill=True)
