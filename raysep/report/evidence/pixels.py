"""A mel spectrogram as a PNG of a few kilobytes: numbers to 32 shades, written without an imaging library."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import numpy as np

from raysep.audio.mel import HTK, filters

COLUMNS, ROWS = 420, 96
SHADES = 32
DEPTH_DB = 75.0  # below the loudest point of the picture, where the shades end
WINDOW_SECONDS = 0.046
# From quiet to loud; lightness rises evenly, so that it reads in grey too.
ANCHORS = ((13, 12, 22), (52, 28, 82), (120, 40, 109), (190, 62, 84), (236, 120, 62), (250, 190, 96), (253, 244, 205))
TICKS_HZ = (200, 500, 1000, 2000, 5000, 10000)


class Tick(NamedTuple):
    hertz: int
    height: float  # share of the picture's height, from below


def mel_levels(audio: np.ndarray, sample_rate: int, columns: int = COLUMNS, rows: int = ROWS) -> np.ndarray:
    """``(rows, at most columns)`` dB below the loudest point, the lowest band first, of ``(channel, time)``; -inf for silence.

    The power of the channels' mean, not that of their sum, would hide what cancels: channels are averaged as powers.
    """
    size = 2 ** round(np.log2(WINDOW_SECONDS * sample_rate))
    if audio.shape[1] < size:
        audio = np.pad(audio, ((0, 0), (0, size - audio.shape[1])))
    last = audio.shape[1] - size
    columns = min(columns, last + 1)
    # A window is shorter than a column of a long stem: then a column is the mean of several.
    each = max(1, min(8, int(last / max(1, columns) / size)))
    starts = np.linspace(0, last, columns * each).astype(int)
    window = np.hanning(size + 2)[1:-1].astype(np.float32)
    bank = filters(sample_rate, size, rows, fill=True)
    power = np.zeros((len(starts), rows))
    for first in range(0, len(starts), 256):
        block = starts[first : first + 256]
        of_bins = np.zeros((len(block), size // 2 + 1), np.float32)
        for channel in audio:
            frames = channel[block[:, None] + np.arange(size)] * window
            spectrum = np.fft.rfft(frames).astype(np.complex64)
            of_bins += np.square(spectrum.real) + np.square(spectrum.imag)
        power[first : first + 256] = of_bins @ bank.T
    power = power.reshape(columns, each, rows).mean(axis=1)
    top = power.max()
    with np.errstate(divide="ignore"):
        return 10 * np.log10(power.T / top) if top else np.full((rows, columns), -np.inf)


def picture(levels: np.ndarray) -> bytes:
    """PNG of ``(band, column)`` dB, the lowest band at the bottom; what is ``DEPTH_DB`` below 0 or more is the darkest."""
    shade = np.clip((levels + DEPTH_DB) / DEPTH_DB, 0.0, 1.0) * (SHADES - 1)
    return png(np.rint(shade[::-1]).astype(np.uint8), palette())


def palette() -> np.ndarray:
    """``(shade, 3)`` uint8."""
    places = np.linspace(0, len(ANCHORS) - 1, SHADES)
    anchors = np.array(ANCHORS, dtype=float)
    return (
        np.stack([np.interp(places, range(len(ANCHORS)), column) for column in anchors.T], axis=1)
        .round()
        .astype(np.uint8)
    )


def png(indices: np.ndarray, colours: np.ndarray) -> bytes:
    """An image of one byte a pixel into a palette (PNG specification, third edition; colour type 3, no filter)."""
    height, width = indices.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), indices], axis=1).tobytes()
    chunks = ((b"IHDR", header), (b"PLTE", colours.tobytes()), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def ticks(sample_rate: int) -> list[Tick]:
    """Round frequencies with their places on the mel axis; those at the very top are left out."""
    top = float(HTK.mel(np.array(sample_rate / 2)))
    found = [Tick(hertz, float(HTK.mel(np.array(float(hertz)))) / top) for hertz in TICKS_HZ]
    return [tick for tick in found if tick.height < 0.93]
