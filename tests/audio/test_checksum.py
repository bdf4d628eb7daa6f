from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import soundfile

from raysep.audio.checksum import of_samples, stated, what_is_wrong
from raysep.audio.files import decode, encode

RATE = 8000
NOISE = (0.2 * np.random.default_rng(0).standard_normal((2, 70_000))).astype(np.float32)
ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)


def flac(audio: np.ndarray = NOISE, subtype: str = "PCM_16") -> bytes:
    """By libFLAC, which works its MD5 out by itself."""
    return encode(audio, RATE, "FLAC", subtype)


def wrong(data: bytes, audio: np.ndarray | None = None) -> str:
    return what_is_wrong(io.BytesIO(data), decode(data, "x") if audio is None else audio)


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_holds_of_what_an_encoder_made(subtype, channels):
    data = flac(NOISE[:channels], subtype)
    assert stated(io.BytesIO(data)).bits == int(subtype.strip("PCM_S"))
    assert wrong(data) == ""
    assert wrong(ID3 + data) == ""


def test_it_is_that_of_the_file_as_raw_samples():
    steps = np.random.default_rng(0).integers(-(2**15), 2**15, (70_000, 2)).astype("<i2")
    raw = io.BytesIO()
    soundfile.write(raw, steps, RATE, "PCM_16", format="RAW", endian="LITTLE")
    assert of_samples((steps.T / 2**15).astype(np.float32), 16) == hashlib.md5(raw.getvalue()).digest()


def test_a_header_of_another_file_and_a_sample_that_was_changed_are_told():
    data, other = flac(), flac(-NOISE)
    mixed = data[:26] + other[26:42] + data[42:]
    assert np.array_equal(decode(mixed, "x"), decode(data, "x"))  # no decoder of ours would say a word
    assert "another MD5" in wrong(mixed)
    changed = decode(data, "x")
    changed[1, -1] += 2**-15
    assert "another MD5" in wrong(data, changed)


def test_what_states_none_is_not_told():
    data = flac()
    assert wrong(data[:26] + bytes(16) + data[42:]) == ""  # as encoders leave it that write to a pipe
    assert wrong(encode(NOISE, RATE)) == ""
    assert stated(io.BytesIO(data[:30])) is None
