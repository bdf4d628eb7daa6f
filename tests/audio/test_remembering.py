from __future__ import annotations

import io

import numpy as np
import pytest

from raysep.audio.files import decode, encode, probe
from raysep.audio.remembering import Remembering
from raysep.errors import AudioError, StorageUnreachable


class Broken(io.BytesIO):
    """Answers so many reads, and then no more."""

    def __init__(self, data: bytes, reads: int) -> None:
        super().__init__(data)
        self.left = reads

    def read(self, size: int | None = -1) -> bytes:
        self._ask()
        return super().read(size)

    def readinto(self, buffer) -> int:
        self._ask()
        return super().readinto(buffer)

    def _ask(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise StorageUnreachable("away")


def test_the_first_error_is_kept_and_what_follows_reads_as_the_end():
    stream = Remembering(Broken(b"abcd", 1))
    assert stream.read(2) == b"ab"
    stream.check()
    assert (stream.read(2), stream.readinto(bytearray(2)), stream.seek(0), stream.tell()) == (b"", 0, 0, 0)
    with pytest.raises(StorageUnreachable, match="away"):
        stream.check()


@pytest.mark.parametrize(
    ("format", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")]
)
def test_an_outage_at_any_read_is_never_an_error_of_the_file(format, subtype):
    data = encode(0.1 * np.random.default_rng(0).standard_normal((1, 20000)).astype(np.float32), 16000, format, subtype)
    outages = 0
    for reads in (*range(30), *range(30, 2000, 40)):
        for look in (probe, decode):
            try:
                look(Broken(data, reads), "x")
            except StorageUnreachable:
                outages += 1
            except AudioError as error:
                raise AssertionError(f"taken for the file's after {reads} reads") from error
    assert outages > 10
