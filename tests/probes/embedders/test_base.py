from __future__ import annotations

import numpy as np
import torch

from raysep.probes.embedders.base import audible_frames, device_of
from raysep.probes.embedders.logmel import LogMelEmbedder

RATE = 8000


class Far(torch.nn.Module):
    """An embedder whose weights are on a device that holds no values: audio from elsewhere would be an error."""

    sample_rate, dimension, window_seconds, hop_seconds = RATE, 3, 1.0, 0.5

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(3, device="meta"))

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        assert batch.device == self.weight.device
        return torch.ones(len(batch), 5, 3)


class Holder:
    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network


def test_audio_follows_the_embedder_to_its_device():
    audio = 0.1 * np.random.default_rng(0).normal(size=(2, 3 * RATE)).astype(np.float32)
    assert audible_frames(Far(), audio, RATE).tolist() == [[1.0, 1.0, 1.0]] * 5


def test_the_device_is_that_of_the_weights_wherever_they_are_kept():
    assert device_of(LogMelEmbedder(RATE)) == torch.device("cpu")
    assert device_of(Holder(Far())) == torch.device("meta")
    assert device_of(torch.nn.BatchNorm1d(2, affine=False, device="meta")) == torch.device("meta")


def test_no_frame_is_embedded_that_is_not_used():
    class Choosing(Far):
        def embed_some(self, audio: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
            asked.append(chosen.tolist())
            return torch.zeros(len(chosen), 3)

    asked: list[list[int]] = []
    embedder = Choosing().to_empty(device="cpu")
    audio = np.zeros((1, 4 * RATE), np.float32)
    audio[0, 2 * RATE : 3 * RATE] = 0.1
    assert audible_frames(embedder, audio, RATE).shape == (3, 3)
    assert asked == [[3, 4, 5]]
