from __future__ import annotations

import io

import numpy as np
import pytest

from raysep.audio.files import decode, encode
from raysep.audio.ogg import Pages, walk
from raysep.errors import AudioError

RATE = 16_000
AUDIO = (0.1 * np.random.default_rng(0).standard_normal((2, 3 * RATE))).astype(np.float32)


@pytest.fixture(scope="module", params=["VORBIS", "OPUS"])
def data(request) -> bytes:
    return encode(AUDIO, RATE, "OGG", request.param)


def test_a_whole_file_is_one_stream_that_ended(data):
    assert walk(io.BytesIO(data)) == Pages(1, True)
    assert decode(data, "x").shape == AUDIO.shape
    assert decode(data + b"junk" * 3000, "x").shape == AUDIO.shape


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_one_that_is_cut_off_says_how_much_there_is(data, share):
    cut = data[: int(len(data) * share)]
    assert not walk(io.BytesIO(cut)).ended
    with pytest.raises(AudioError, match=r"^x: truncated, it ends after \d+ samples \([12]\.\d s\) without the page"):
        decode(cut, "x")


def test_one_that_lacks_its_last_page_alone_is_cut_off_too(data):
    last = data.rfind(b"OggS")
    assert walk(io.BytesIO(data[:last])) == Pages(1, False)
    assert walk(io.BytesIO(data[:-1])) == Pages(1, False)


def test_streams_in_a_row_are_refused_and_not_read_as_the_first(data):
    assert walk(io.BytesIO(data * 3)).streams == 3
    with pytest.raises(AudioError, match=r"^x: 3 streams in a row, of which only the first, 48000 samples \(3\.0 s\)"):
        decode(data * 3, "x")


def test_streams_side_by_side_are_one():
    """Two tracks of one file: both begin before anything else comes."""

    def page(marks: int, serial: int) -> bytes:
        return b"OggS\0" + bytes([marks]) + bytes(8) + serial.to_bytes(4, "little") + bytes(8) + b"\x01\x05hello"

    side_by_side = page(2, 1) + page(2, 2) + page(0, 1) + page(4, 1) + page(4, 2)
    assert walk(io.BytesIO(side_by_side)) == Pages(1, True)
    assert walk(io.BytesIO(side_by_side[: -len(page(4, 2))])) == Pages(1, False)
    assert walk(io.BytesIO(b"")) == Pages(0, False)
