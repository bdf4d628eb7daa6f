from __future__ import annotations

import numpy as np
import pytest
from small_audio import RATE, tones_and_noise, wav

from raysep.audio.files import encode
from raysep.corpus import tags
from raysep.corpus.layouts.headers import header


def test_a_header_comes_with_the_hash_of_all_bytes(tmp_path):
    data = wav(tones_and_noise("vocals", seconds=0.5))
    (tmp_path / "a.wav").write_bytes(data)
    info, etag, message = header(str(tmp_path / "a.wav"))
    assert info is not None
    assert (info.frames, etag, message) == (RATE // 2, tags.of_bytes(data), "")


def test_what_is_no_audio_has_a_hash_and_a_message(tmp_path):
    for name, data in (
        ("a.wav", b"some text, named as audio\n" * 40),
        ("b.wav", b""),
        ("c.wav", wav(np.zeros((2, 0)))),
    ):
        (tmp_path / name).write_bytes(data)
        info, etag, message = header(str(tmp_path / name))
        assert (info, etag) == (None, tags.of_bytes(data))
        assert name in message
    assert header(str(tmp_path / "gone.wav"))[:2] == (None, "")


@pytest.mark.parametrize("hashed", [True, False])
def test_a_length_that_the_header_does_not_know_is_counted_in_a_file_too(tmp_path, hashed):
    """As a header is read from a store: by range, behind a buffer."""
    data = bytearray(wav(tones_and_noise("vocals", seconds=1.0)))
    data[40:44] = bytes(4)
    (tmp_path / "a.wav").write_bytes(data)
    flac = bytearray(encode(tones_and_noise("vocals", seconds=1.0), RATE, "FLAC"))
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    (tmp_path / "b.flac").write_bytes(flac)
    for name in ("a.wav", "b.flac"):
        info, etag, message = header(str(tmp_path / name), hashed)
        assert (info.frames, bool(etag), message) == (RATE, hashed, "")
