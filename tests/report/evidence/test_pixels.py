from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from raysep.report.evidence import pixels

RATE = 16000


def test_a_tone_is_brightest_where_its_frequency_is():
    time = np.arange(2 * RATE) / RATE
    audio = 0.3 * np.sin(2 * np.pi * 1000 * time)[None]
    levels = pixels.mel_levels(audio, RATE)
    band = levels.mean(axis=1).argmax() / levels.shape[0]
    height = next(tick.height for tick in pixels.ticks(RATE) if tick.hertz == 1000)
    assert band == pytest.approx(height, abs=0.03)
    assert levels.max() == pytest.approx(0.0)


def test_the_axis_of_time_is_that_of_the_sound():
    audio = np.zeros((2, 4 * RATE))
    audio[:, 3 * RATE :] = np.random.default_rng(0).standard_normal((2, RATE))
    levels = pixels.mel_levels(audio, RATE)
    loud = (levels.mean(axis=0) > -60).argmax() / levels.shape[1]
    assert loud == pytest.approx(0.75, abs=0.02)


def test_channels_that_cancel_are_seen():
    left = np.random.default_rng(0).standard_normal(RATE)
    one = pixels.mel_levels(left[None], RATE)
    assert pixels.mel_levels(np.stack([left, -left]), RATE) == pytest.approx(one, abs=0.01)


@pytest.mark.parametrize("frames", [0, 1, 500, 3 * RATE])
def test_silence_and_short_sounds_have_a_picture(frames):
    levels = pixels.mel_levels(np.zeros((1, frames)), RATE)
    assert np.isneginf(levels).all()
    assert pixels.picture(levels).startswith(b"\x89PNG")


def test_the_png_is_one_and_holds_the_pixels():
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4)
    data = pixels.png(indices, pixels.palette())
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        (length,), name = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(name + body)
        chunks[name], at = body, at + 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (4, 3)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(3, 5)
    assert (lines[:, 0] == 0).all()
    assert (lines[:, 1:] == indices).all()


def test_shades_grow_lighter_evenly():
    colours = pixels.palette().astype(float)
    light = colours @ [0.2126, 0.7152, 0.0722]
    assert len(colours) == pixels.SHADES
    assert (np.diff(light) > 0).all()
