"""The MD5 that a FLAC states of its samples: what its encoder was given.

The decoder looks at the checks of the frames alone, and those hold in a file that was put together from parts, cut, or whose header
belongs to another. `flac -t` looks at both.
"""

from __future__ import annotations

import hashlib
from typing import BinaryIO, NamedTuple

import numpy as np

from raysep.audio.lengths import FLAC_HEADER
from raysep.audio.mpeg import behind_id3
from raysep.audio.splice import read_at

BLOCK_FRAMES = 1 << 14
HOLDS = {1: "<i1", 2: "<i2", 3: "<i4"}  # bytes of a sample → what takes it
MOST_BITS = 24  # that a sample in float32 holds


class Stated(NamedTuple):
    md5: bytes
    bits: int  # of a sample


def stated(stream: BinaryIO) -> Stated | None:
    """What the header of a FLAC says; None for any other file, and where its encoder left it out."""
    header = read_at(stream, behind_id3(stream), FLAC_HEADER)
    if header[:4] != b"fLaC" or len(header) < FLAC_HEADER or not any(header[26:]):
        return None
    return Stated(header[26:], ((header[20] & 1) << 4 | header[21] >> 4) + 1)


def of_samples(audio: np.ndarray, bits: int) -> bytes:
    """The MD5 of float32 ``(channel, time)`` as it was decoded from so many bits, 24 at most.

    Over whole numbers, the channels in turns, each in as many bytes as it takes, the lowest first (RFC 9639, 8.2).
    """
    found, width = hashlib.md5(usedforsecurity=False), -(-bits // 8)
    whole = np.empty((BLOCK_FRAMES, len(audio)), HOLDS[width])
    for at in range(0, audio.shape[1], BLOCK_FRAMES):
        block = audio[:, at : at + BLOCK_FRAMES]
        steps = whole[: block.shape[1]]
        # Into its place at once: a copy in another order costs as much as the hash.
        for number, channel in enumerate(block):
            np.multiply(channel, np.float32(2 ** (bits - 1)), out=steps[:, number], casting="unsafe")
        found.update(steps.data if width < 3 else steps.view(np.uint8).reshape(-1, 4)[:, :width].tobytes())
    return found.digest()


def what_is_wrong(stream: BinaryIO, audio: np.ndarray) -> str:
    """In words, of a file that was decoded to ``(channel, time)``; "" where the MD5 holds, or none is stated."""
    told = stated(stream)
    if told is None or told.bits > MOST_BITS or of_samples(audio, told.bits) == told.md5:
        return ""
    return (
        "its samples are not those that its encoder was given (another MD5 than the header states, `flac -t` fails): "
        "changed or damaged since; take it from its source again"
    )
