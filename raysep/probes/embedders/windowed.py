"""What embedders with a network share: windows go through it one after another, a bounded number at a time."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from raysep.probes.embedders.base import windows_of

LEAST_SHARE = 0.02  # of what lies between hiss and a tone: a dimension that spreads less must not decide alone


class WindowedEmbedder:
    """Base of embedders whose every frame comes from its own window alone; an ``Embedder`` once it is initialised.

    A subclass gives ``name``, ``embed_windows``, and ``at_once``: how many windows go through together, which bounds the
    memory. The network is put in eval mode and is not copied: ``to`` moves it. An embedding has its network's own unit,
    so ``least_spread`` is a share of how far apart (root mean square) it puts white noise and a tone.
    """

    name: str
    at_once: int = 16

    def __init__(
        self,
        network: torch.nn.Module,
        sample_rate: int,
        window_seconds: float,
        hop_seconds: float,
        weights_digest: str,
    ) -> None:
        self.network = network.eval()
        self.sample_rate, self.window_seconds, self.hop_seconds = sample_rate, window_seconds, hop_seconds
        self.weights_digest = weights_digest
        hiss, tone = self.embed(self._hiss_and_tone())[:, 0]
        self.dimension = len(hiss)
        self.least_spread = LEAST_SHARE * float((hiss - tone).square().mean().sqrt())

    def embed_windows(self, windows: Tensor) -> Tensor:
        """``(window, time)`` -> ``(window, dimension)``."""
        raise NotImplementedError

    def windows(self, batch: Tensor) -> Tensor:
        """``(batch, time)`` -> ``(batch, frame, window)``."""
        window, hop = (round(s * self.sample_rate) for s in (self.window_seconds, self.hop_seconds))
        return windows_of(batch.float(), window, hop)

    @torch.inference_mode()
    def embed(self, batch: Tensor) -> Tensor:
        stems = [
            torch.cat([self.embed_windows(part) for part in stem.split(self.at_once)]) for stem in self.windows(batch)
        ]
        return torch.stack(stems).float()

    @torch.inference_mode()
    def embed_some(self, audio: Tensor, chosen: Tensor) -> Tensor:
        windows = self.windows(audio[None])[0]
        return torch.cat([self.embed_windows(windows[part]) for part in chosen.split(self.at_once)]).float()

    def to(self, device: str | torch.device) -> Self:
        self.network.to(device)
        return self

    def _hiss_and_tone(self) -> Tensor:
        """``(2, time)``, one window of each at -20 dBFS."""
        time = torch.arange(round(self.window_seconds * self.sample_rate)) / self.sample_rate
        hiss = 0.1 * torch.randn(len(time), generator=torch.Generator().manual_seed(0))
        tone = 0.1 * 2**0.5 * torch.sin(2 * torch.pi * 440.0 * time)
        return torch.stack([hiss, tone]).to(next(self.network.parameters()).device)
