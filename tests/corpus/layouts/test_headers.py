from __future__ import annotations

import numpy as np
from small_audio import RATE, tones_and_noise, wav

from raysep.corpus import identity
from raysep.corpus.layouts.headers import header


def test_a_header_comes_with_the_hash_of_all_bytes(tmp_path):
    data = wav(tones_and_noise("vocals", seconds=0.5))
    (tmp_path / "a.wav").write_bytes(data)
    info, etag, message = header(str(tmp_path / "a.wav"))
    assert info is not None
    assert (info.frames, etag, message) == (RATE // 2, identity.of_bytes(data), "")


def test_what_is_no_audio_has_a_hash_and_a_message(tmp_path):
    for name, data in (
        ("a.wav", b"some text, named as audio\n" * 40),
        ("b.wav", b""),
        ("c.wav", wav(np.zeros((2, 0)))),
    ):
        (tmp_path / name).write_bytes(data)
        info, etag, message = header(str(tmp_path / name))
        assert (info, etag) == (None, identity.of_bytes(data))
        assert name in message
    assert header(str(tmp_path / "gone.wav"))[:2] == (None, "")
