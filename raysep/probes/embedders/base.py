"""What an embedder must offer, and the frames of a stem through one."""

from __future__ import annotations

import itertools
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from raysep.audio.channels import mono
from raysep.audio.levels import SILENCE_DBFS, rms_dbfs
from raysep.audio.resample import resample

LEVEL_DBFS = -20.0  # every stem is brought to this level: how loud it was mixed is no fault


class Embedder(Protocol):
    @property
    def name(self) -> str: ...  # as in ``registry.EMBEDDERS``
    @property
    def sample_rate(self) -> int: ...  # Hz of the audio it takes
    @property
    def dimension(self) -> int: ...
    @property
    def window_seconds(self) -> float: ...  # one frame sees this much audio …
    @property
    def hop_seconds(self) -> float: ...  # … and the next begins this much later
    @property
    def least_spread(self) -> float: ...  # of a dimension, in its unit: one that hardly moves must not decide alone
    @property
    def weights_digest(self) -> str: ...  # sha256 of its weights; "" when it has none

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """Mono audio ``(batch, time)`` to float32 ``(batch, frame, dimension)`` on the same device, frame k beginning
        at k · hop. There are ``frame_count`` frames: the tail that fills no window is left out, a shorter stem padded.
        """

    def to(self, device: str | torch.device) -> Embedder:
        """The same embedder with its weights on another device."""


@runtime_checkable
class Choosing(Protocol):
    """What an embedder may offer beside: to leave out the frames that nobody asks for."""

    def embed_some(self, audio: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """``(time,)`` to ``(n, dimension)``: the frames of these numbers ``(n,)``, as ``embed`` gives them."""


def frame_count(samples: int, window: int, hop: int) -> int:
    """Windows that fit, at least one (a shorter stem is padded)."""
    return max(1, 1 + (samples - window) // hop)


def windows_of(batch: torch.Tensor, window: int, hop: int) -> torch.Tensor:
    """``(batch, time)`` to its ``(batch, frame, window)`` windows, a view; a short stem is padded with zeros."""
    frames = frame_count(batch.shape[-1], window, hop)
    short = max(0, (frames - 1) * hop + window - batch.shape[-1])
    return torch.nn.functional.pad(batch, (0, short)).unfold(-1, window, hop)


def audible_frames(
    embedder: Embedder, audio: np.ndarray, sample_rate: int, silence: float = SILENCE_DBFS
) -> np.ndarray:
    """``(n, dimension)`` float32 embeddings of the frames of ``(channel, time)`` that are not silent; n may be 0.

    The stem is mixed to mono (``channels.mono``) and brought to one level first; silence is judged before that.
    """
    single = resample(mono(audio), sample_rate, embedder.sample_rate)[0]
    window, hop = (round(s * embedder.sample_rate) for s in (embedder.window_seconds, embedder.hop_seconds))
    levels = frame_levels(single, window, hop)
    loud = np.flatnonzero(levels > silence)
    if not loud.size:
        return np.zeros((0, embedder.dimension), dtype=np.float32)
    gain = float(10.0 ** ((LEVEL_DBFS - rms_dbfs(single)) / 20.0))
    device = device_of(embedder)
    levelled = torch.from_numpy(gain * single).to(device)
    if isinstance(embedder, Choosing) and loud.size < levels.size:  # to choose all of them is a copy of each
        return embedder.embed_some(levelled, torch.from_numpy(loud).to(device)).cpu().numpy()
    return embedder.embed(levelled[None])[0].cpu().numpy()[loud]


def device_of(embedder: Embedder) -> torch.device:
    """Where its weights are: the audio must follow them. One without weights works where the audio is."""
    network = getattr(embedder, "network", embedder)
    tensors = itertools.chain(network.parameters(), network.buffers()) if isinstance(network, torch.nn.Module) else ()
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


def frame_levels(mono: np.ndarray, window: int, hop: int) -> np.ndarray:
    """``(frame,)`` RMS of each window of ``(time,)``, dBFS."""
    starts = hop * np.arange(frame_count(len(mono), window, hop))
    power = np.array([np.dot(part, part) / window for part in (mono[start : start + window] for start in starts)])
    return 10.0 * np.log10(np.maximum(power, 1e-20))
