from __future__ import annotations

import io

import numpy as np
import pytest

from raysep.corpus.layouts import headers
from raysep.corpus.layouts.headers import fingerprint


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 500_000, 512 * 1024])
def test_every_byte_of_a_short_file_counts(size):
    data = bytearray(np.random.default_rng(0).bytes(size))
    first = fingerprint(io.BytesIO(data), size)
    for at in {0, size // 3, size // 2, size - 1} if size else ():
        changed = bytearray(data)
        changed[at] ^= 1
        assert fingerprint(io.BytesIO(changed), size) != first


@pytest.mark.parametrize("at", [0, 40_000, 1_500_000, 2_999_999])
def test_beginning_middle_and_end_of_a_long_file_count(at):
    size = 3_000_000
    data = bytearray(size)
    first = fingerprint(io.BytesIO(data), size)
    # an edit as long as the space between two blocks is seen wherever it lies
    span = size // (headers.FINGERPRINT_BLOCKS - 1)
    data[at : at + span] = b"\x01" * len(data[at : at + span])
    assert fingerprint(io.BytesIO(data), size) != first
    assert fingerprint(io.BytesIO(bytes(size + 1)), size + 1) != first
