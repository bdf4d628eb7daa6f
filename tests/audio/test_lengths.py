"""FLAC, and what is said of files that are not as long as they state."""

from __future__ import annotations

import io

import numpy as np
import pytest

from raysep.audio.files import decode, decode_blocks, encode, probe
from raysep.audio.lengths import Length, stopped, what_is_wrong
from raysep.errors import AudioError

RATE = 16_000
AUDIO = np.rint(3000 * np.random.default_rng(0).standard_normal((2, 2 * RATE))).astype(np.float32) / 32768
ID3 = b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048)


def flac(frames: int | None = None) -> bytes:
    """Two seconds that state so many samples; 0 is what is written to a pipe."""
    data = bytearray(encode(AUDIO, RATE, "FLAC"))
    if frames is not None:
        data[21] &= 0xF0
        data[22:26] = frames.to_bytes(4, "big")
        data[26:42] = bytes(16)  # no checksum either
    return bytes(data)


@pytest.mark.parametrize("before", [b"", ID3], ids=["", "ID3"])
def test_a_flac_that_states_no_length_is_counted(before):
    data = before + flac(0)
    assert probe(data, "x").frames == 2 * RATE
    assert np.array_equal(decode(data, "x"), AUDIO)
    blocks = list(decode_blocks(io.BytesIO(data), "x", 1_000))
    assert [block.shape[1] for block in blocks] == [1_000] * 32
    assert np.array_equal(np.concatenate(blocks, axis=1), AUDIO)


@pytest.mark.parametrize("before", [b"", ID3], ids=["", "ID3"])
def test_a_flac_that_states_too_few_or_too_many(before):
    with pytest.raises(AudioError, match=r"holds 32000 samples \(2\.0 s\), but states 16000 samples \(1\.0 s\)"):
        decode(before + flac(16_000), "x")
    with pytest.raises(AudioError, match=r"truncated, 32000 of 64000 samples .*2\.0 of the 4\.0 s"):
        decode(before + flac(64_000), "x")
    with pytest.raises(AudioError, match="truncated, 32000 of 4294967295 samples"):  # and no memory for all of these
        decode(before + flac(2**32 - 1), "x")


@pytest.mark.parametrize("stated", [None, 0])
def test_a_flac_that_is_cut_off_or_damaged_says_where_its_decoder_stopped(stated):
    data = flac(stated)
    damaged = data[: len(data) // 2] + bytes(100) + data[len(data) // 2 + 100 :]
    for broken in (data[: len(data) * 2 // 3], damaged):
        with pytest.raises(
            AudioError,
            match=r"truncated or damaged \(.*\), 1\d{4}( of 32000)? samples could be read|truncated or damaged \(.*\), 2\d{4}",
        ):
            decode(broken, "x")


def test_what_a_tagger_leaves_behind_a_flac_is_no_audio():
    assert np.array_equal(decode(flac() + b"TAG" + bytes(125), "x"), AUDIO)


def test_a_flac_by_another_name_is_a_flac():
    assert probe(flac(), "x.wav").format == "FLAC/PCM_16"


def length(stated: int | None, **more) -> Length:
    return Length(stated, io.BytesIO(), **more)


def test_what_is_wrong_in_words():
    assert what_is_wrong(length(None), 7, 1) == ""
    assert what_is_wrong(length(100), 100, 10) == ""
    assert what_is_wrong(length(100, padding=50, slack=20), 170, 10) == ""
    assert what_is_wrong(length(100, padding=50, slack=20), 171, 10).startswith(
        "holds 171 samples (17.1 s), but states"
    )
    assert what_is_wrong(length(100), 71, 10) == (
        "truncated, 71 of 100 samples could be read (7.1 of the 10.0 s that it states); replace the file"
    )
    assert stopped(length(None), 71, 10, "Lost.") == (
        "truncated or damaged (Lost), 71 samples could be read (7.1 s); replace the file"
    )
    assert length(None, held=9).expected == 9
    assert length(7, held=9).expected == 7


@pytest.mark.parametrize("between", [b"", ID3, b"TAG" + bytes(125)], ids=["", "ID3v2", "ID3v1"])
def test_a_flac_behind_a_flac_is_no_end(between):
    for data in (flac() + between + flac(), flac() + between + flac() + between + flac()):
        with pytest.raises(AudioError, match=r"several streams in a row, of which only the first, 32000 samples"):
            decode(data, "x")
