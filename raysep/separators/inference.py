"""Separate audio of any length in overlapping chunks: memory is bounded by the batch, not by the track."""

from __future__ import annotations

import torch
from torch import Tensor

from raysep.errors import BadInput
from raysep.separators.base import Separator


def separate(
    network: Separator, mixture: Tensor, chunk_seconds: float = 10.0, overlap: float = 0.25, batch: int = 4
) -> Tensor:
    """``(channel, time)`` -> ``(stem, channel, time)`` on the CPU, float32, by overlap-add.

    Chunks of ``chunk_seconds`` start every ``(1 - overlap)`` of a chunk; each fades in and out linearly and the sum is
    divided by the sum of the fades, so a network that returns its input returns the whole input. A mixture of no more
    than one chunk goes through in one piece, without padding. Runs on the device of the network's parameters, in eval
    mode, and leaves the network's mode as it was. Raises ``BadInput`` for an option out of range.
    """
    if not (chunk_seconds > 0 and 0 <= overlap < 1 and batch >= 1):
        raise BadInput(
            f"chunk_seconds {chunk_seconds}, overlap {overlap}, batch {batch}: "
            "a chunk must be longer than 0 s, the overlap in [0, 1), the batch 1 or more"
        )
    mixture = torch.as_tensor(mixture)
    channels, time = mixture.shape
    chunk = min(time, max(1, round(chunk_seconds * network.sample_rate)))
    if time == 0:
        return torch.zeros(len(network.stems), channels, 0)
    shared = min(round(overlap * chunk), chunk - 1)  # samples that neighbours have in common
    starts = range(0, max(1, time - shared), chunk - shared)
    fade = _fade(chunk, shared)
    total = torch.zeros(len(network.stems), channels, time)
    weight = torch.zeros(time)
    parameter = next(network.parameters(), None)
    device = mixture.device if parameter is None else parameter.device

    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            for first in range(0, len(starts), batch):
                group = starts[first : first + batch]
                chunks = torch.stack([_crop(mixture, start, chunk) for start in group])  # (batch, channel, chunk)
                estimates = network.separate(chunks.to(device, torch.float32)).cpu()  # (batch, stem, channel, chunk)
                for start, estimate in zip(group, estimates, strict=True):
                    length = min(chunk, time - start)
                    total[..., start : start + length] += (estimate * fade)[..., :length]
                    weight[start : start + length] += fade[:length]
    finally:
        network.train(was_training)
    return (total / weight).clone()  # a clone made outside inference mode can be trained on


def _fade(chunk: int, overlap: int) -> Tensor:
    """``(chunk,)``: ramps up over ``overlap`` samples, stays at one, ramps down; never zero."""
    ramp = torch.arange(1, chunk + 1, dtype=torch.float32).clamp(max=overlap + 1) / (overlap + 1)
    return torch.minimum(ramp, ramp.flip(0))


def _crop(audio: Tensor, start: int, length: int) -> Tensor:
    """``(channel, length)`` from ``start``, zero-padded past the end."""
    piece = audio[:, start : start + length]
    return torch.nn.functional.pad(piece, (0, length - piece.shape[-1]))
