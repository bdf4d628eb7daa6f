"""Separate audio of any length in overlapping chunks: memory is bounded by chunk times batch, not by the length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from raysep.errors import BadInput
from raysep.separators.base import FILTERS, Separator

if TYPE_CHECKING:
    from numpy import ndarray

PRECISIONS = ("float32", "bfloat16")
SHIFT_SECONDS = 0.5  # over which shifted copies are spread, as in demucs
LONGEST_CHUNK = 86_400.0  # seconds; more would only overflow


def separate(
    network: Separator,
    mixture: Tensor | ndarray,
    chunk_seconds: float = 10.0,
    overlap: float = 0.25,
    batch: int = 4,
    filter: str = "ratio",
    residual: bool = False,
    shifts: int = 0,
    precision: str = "float32",
) -> Tensor:
    """``(channel, time)`` -> ``(stem, channel, time)`` on the CPU, float32; options as for ``separate_blocks``."""
    whole = torch.as_tensor(mixture)
    pieces = separate_blocks(
        network, [whole], chunk_seconds, overlap, batch, filter, residual=residual, shifts=shifts, precision=precision
    )
    result, at = torch.zeros(len(network.stems) + residual, *whole.shape), 0
    for piece in pieces:
        result[..., at : at + piece.shape[-1]] = piece
        at += piece.shape[-1]
    return result


def separate_blocks(
    network: Separator,
    blocks: Iterable[Tensor],
    chunk_seconds: float = 10.0,
    overlap: float = 0.25,
    batch: int = 4,
    filter: str = "ratio",
    residual: bool = False,
    shifts: int = 0,
    precision: str = "float32",
) -> Iterator[Tensor]:
    """Blocks ``(channel, any length)`` of one mixture -> blocks ``(stem, channel, n)`` that join to its stems.

    Chunks of ``chunk_seconds`` start every ``(1 - overlap)`` of a chunk; each fades in and out linearly and the sum is
    divided by the sum of the fades, so a network that returns its input returns the whole input. A mixture of no more
    than one chunk goes through in one piece; a longer one's last chunk reaches back until it is full, so that the
    network hears music rather than padding. How the mixture is cut into blocks changes nothing, bit for bit.

    ``filter`` and ``residual`` are those of ``Separator.separate`` (the chunks are the windows of ``wiener``).
    ``shifts`` copies of each chunk, delayed by up to half a second, are separated and averaged; 0 and 1 mean the chunk
    as it is. ``precision`` ``bfloat16`` runs the network's body in it. A mono mixture is spread over a network's
    channels and the stems are averaged back; a mixture with a multiple of the network's channels is separated group by
    group. Runs on the device of the network's parameters, in eval mode, and leaves the network's mode as it was.
    Raises ``BadInput`` for an option out of range and for channels that do not fit.
    """
    check_options(chunk_seconds, overlap, batch, filter, shifts, precision)
    chunk = max(1, round(chunk_seconds * network.sample_rate))
    shared = min(round(overlap * chunk), chunk - 1)  # samples that neighbours have in common
    spread = SHIFT_SECONDS * network.sample_rate / max(1, shifts)
    delays = [round(k * spread) for k in range(max(1, shifts))]

    def estimated() -> Iterator[tuple[Tensor, int]]:
        chunks = _chunks(blocks, chunk, shared)
        while group := list(islice(chunks, batch)):
            audio = torch.stack([piece for piece, _ in group])  # (batch, channel, chunk)
            with _evaluating(network), torch.inference_mode():
                estimates = _estimates(network, audio, filter, residual, delays, precision)
            yield from zip(estimates, (own for _, own in group), strict=True)

    return _overlap_add(estimated(), chunk, shared)


def check_options(
    chunk_seconds: float, overlap: float, batch: int, filter: str = "ratio", shifts: int = 0, precision: str = "float32"
) -> None:
    """Raise ``BadInput`` for an option of ``separate_blocks`` that is out of range."""
    if not (0 < chunk_seconds <= LONGEST_CHUNK and 0 <= overlap < 1 and batch >= 1 and shifts >= 0):
        raise BadInput(
            f"chunk_seconds {chunk_seconds}, overlap {overlap}, batch {batch}, shifts {shifts}: a chunk must be longer "
            "than 0 s and no longer than a day, the overlap in [0, 1), the batch 1 or more, the shifts 0 or more"
        )
    for name, value, choices in (("filter", filter, FILTERS), ("precision", precision, PRECISIONS)):
        if value not in choices:
            raise BadInput(f"{name} {value!r}: not known; choose one of {', '.join(choices)}")


def _chunks(blocks: Iterable[Tensor], chunk: int, shared: int) -> Iterator[tuple[Tensor, int]]:
    """``((channel, chunk), own)``: the last ``own`` samples are the chunk's place in the mixture, the rest is context."""
    held: list[Tensor] = []
    count, last = 0, None
    for block in blocks:
        # Small pieces: one long block is cut by views instead of being joined to what is held and copied as a whole.
        for piece in block.split(chunk, dim=-1) if block.shape[-1] else ():
            held.append(piece)
            count += piece.shape[-1]
            while count >= chunk:
                joined = torch.cat(held, dim=-1)
                last = joined[:, :chunk]
                yield last, chunk
                held, count = [joined[:, chunk - shared :]], count - (chunk - shared)
    if last is None and count:
        yield torch.cat(held, dim=-1), count
    elif last is not None and count > shared:
        fresh = torch.cat(held, dim=-1)[:, shared:]
        yield torch.cat([last, fresh], dim=-1)[:, -chunk:], count


def _overlap_add(estimates: Iterable[tuple[Tensor, int]], chunk: int, shared: int) -> Iterator[Tensor]:
    """Estimates ``(stem, channel, n)`` of successive chunks, of which the last ``own`` samples count, joined."""
    step, own = chunk - shared, 0
    total = weight = fade = torch.zeros(0)
    for estimate, length in estimates:
        if length == estimate.shape[-1] < chunk:  # the whole mixture: nothing of the size of a chunk is needed
            yield estimate
            return
        if own:  # the samples before this chunk are complete
            yield total[..., :step] / weight[:step]
            total, weight = F.pad(total[..., step:], (0, step)), F.pad(weight[step:], (0, step))
        else:
            fade, weight = _fade(chunk, shared), torch.zeros(chunk)
            total = torch.zeros(*estimate.shape[:-1], chunk)
        own = length
        total[..., :own] += estimate[..., -own:] * fade[:own]
        weight[:own] += fade[:own]
    if own:
        yield total[..., :own] / weight[:own]


def _fade(chunk: int, overlap: int) -> Tensor:
    """``(chunk,)``: ramps up over ``overlap`` samples, stays at one, ramps down; never zero."""
    ramp = torch.arange(1, chunk + 1, dtype=torch.float32).clamp(max=overlap + 1) / (overlap + 1)
    return torch.minimum(ramp, ramp.flip(0))


def _estimates(
    network: Separator, audio: Tensor, filter: str, residual: bool, delays: list[int], precision: str
) -> Tensor:
    """``(batch, channel, time)`` -> ``(batch, stem, channel, time)`` on the CPU: the mean over the delayed copies."""
    batch, channels, time = audio.shape
    mono = channels == 1 < network.channels
    if not mono and channels % network.channels:
        raise BadInput(
            f"{channels} channels: the network separates {network.channels} together; give it as many, or mono"
        )
    parameter = next(network.parameters(), None)
    device = audio.device if parameter is None else parameter.device
    # (batch * group, the network's channels, time)
    audio = audio.expand(-1, network.channels, -1) if mono else audio.reshape(-1, network.channels, time)
    audio = audio.to(device, torch.float32)
    room = max(delays[-1], network.spectrogram.n_fft - time)  # a transform with mirrored ends needs about a window
    total = torch.zeros(())
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        for delay in delays:
            padded = F.pad(audio, (delay, room - delay)) if room > 0 else audio
            total = network.separate(padded, filter=filter, residual=residual)[..., delay : delay + time] + total
    total = (total / len(delays)).float().cpu()  # (batch * group, stem, the network's channels, time)
    if mono:
        return total.mean(dim=2, keepdim=True)
    return total.unflatten(0, (batch, -1)).transpose(1, 2).flatten(2, 3)


@contextmanager
def _evaluating(network: Separator) -> Iterator[None]:
    """Between batches the network is as its owner left it: a stream may be read while training goes on."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
