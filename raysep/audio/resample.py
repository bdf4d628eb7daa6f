"""Sample-rate conversion by soxr (accurate near Nyquist, where torchaudio's default filter is not)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

QUALITY = "HQ"


def resampled_frames(frames: int, source_rate: int, target_rate: int) -> int:
    """How many samples ``resample`` makes of ``frames``: halves are rounded up."""
    return (2 * frames * target_rate + source_rate) // (2 * source_rate)


def resample(audio: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """``(channel, time)`` at ``source_rate`` Hz to ``(channel, time')`` at ``target_rate`` Hz, float32."""
    if source_rate == target_rate:
        return audio
    import soxr

    return np.ascontiguousarray(soxr.resample(audio.T, source_rate, target_rate, quality=QUALITY).T, dtype=np.float32)


def resample_blocks(blocks: Iterable[np.ndarray], source_rate: int, target_rate: int) -> Iterator[np.ndarray]:
    """``resample`` of a stream: blocks ``(channel, any length)`` in, blocks that join to the same samples out.

    Holds no more than a block and the filter's length; a block may come out empty, or not come out at all.
    """
    if source_rate == target_rate:
        yield from blocks
        return
    import soxr

    stream, channels = None, 0
    for block in blocks:
        if stream is None:
            channels = len(block)
            stream = soxr.ResampleStream(source_rate, target_rate, channels, dtype=np.float32, quality=QUALITY)
        yield stream.resample_chunk(np.ascontiguousarray(block.T, dtype=np.float32)).T
    if stream is not None:
        yield stream.resample_chunk(np.zeros((0, channels), np.float32), last=True).T


def fit_length(blocks: Iterable[np.ndarray], channels: int, frames: int) -> Iterator[np.ndarray]:
    """Blocks ``(channel, any length)`` that join to exactly ``frames`` samples: cropped, or followed by zeros.

    There and back between two rates may end a sample early or late.
    """
    left = frames
    for block in blocks:
        yield block[:, :left]
        left -= min(left, block.shape[1])
    if left:
        yield np.zeros((channels, left), np.float32)
