"""Sizes in headers that are wrong, missing or run over. The oracle is the whole file, as libsndfile wrote it."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from raysep.audio.chunks import JUNK_BYTES, find_samples, is_name
from raysep.audio.files import decode, encode, probe
from raysep.errors import AudioError

RATE = 16_000
AUDIO = (0.1 * np.random.default_rng(0).standard_normal((2, RATE))).astype(np.float32)
W64 = b"data\xf3\xac\xd3\x11"
SIZES = {  # (where the size of the samples is written, behind which bytes; how; what it counts beside them)
    "WAV": (b"data", 4, "<I", 0),
    "RF64": (b"ds64", 16, "<Q", 0),
    "W64": (W64, 16, "<Q", 24),
    "AIFF": (b"SSND", 4, ">I", 8),
    "CAF": (b"data", 4, ">q", 4),
    "AU": (b".snd", 8, ">I", 0),
}
UNKNOWN = {  # what programs write that cannot go back
    "WAV": (0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFDB),
    "RF64": (0, 2**64 - 1),
    "W64": (0, 24, 2**63 - 1, 2**64 - 1),
    "AIFF": (0, 8, 0xFFFFFFFF, 0x7F000008),
    "CAF": (-1, 0),
    "AU": (0, 0xFFFFFFFF),
}


def stating(format: str, size: int, data: bytes | None = None) -> bytes:
    """A file that states ``size``, whatever it holds."""
    mark, behind, packing, _ = SIZES[format]
    changed = bytearray(data or encode(AUDIO, RATE, format))
    struct.pack_into(packing, changed, changed.find(mark) + behind, size)
    return bytes(changed)


@pytest.mark.parametrize(("format", "size"), [(f, size) for f, sizes in UNKNOWN.items() for size in sizes])
def test_a_length_that_nobody_knew_is_what_is_there(format, size):
    data = stating(format, size)
    assert probe(data, "x").frames == RATE
    assert np.array_equal(decode(data, "x"), decode(encode(AUDIO, RATE, format), "x"))


@pytest.mark.parametrize("format", sorted(SIZES.keys() - {"AIFF"}))
def test_a_size_that_is_too_small_is_told_with_both_numbers(format):
    data = stating(format, 20_000 + SIZES[format][3])
    assert probe(data, "x").frames == 5_000
    with pytest.raises(AudioError, match=r"^x: holds 16000 samples \(1\.0 s\), but states 5000 samples \(0\.3 s\)"):
        decode(data, "x")


@pytest.mark.parametrize("format", sorted(SIZES.keys() - {"AIFF"}))
def test_a_size_that_is_too_large_is_told_with_both_numbers(format):
    data = stating(format, 400_000 + SIZES[format][3])
    assert probe(data, "x").frames == 100_000
    with pytest.raises(AudioError, match=r"^x: truncated, 16000 of 100000 samples .*\(1\.0 of the 6\.2 s"):
        decode(data, "x")


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
@pytest.mark.parametrize("rate", [8_000, 192_000])
@pytest.mark.parametrize("channels", [1, 6])
def test_every_kind_of_sample_is_counted(subtype, rate, channels):
    audio = np.repeat(AUDIO[:1, :1_000], channels, axis=0)
    data = encode(audio, rate, "WAV", subtype)
    info = probe(data, "x")
    assert (info.frames, info.channels, info.sample_rate) == (1_000, channels, rate)
    assert decode(data, "x").shape == audio.shape
    with pytest.raises(AudioError, match=r"truncated, \d+ of 1000 samples"):
        decode(data[: len(data) * 2 // 3], "x")


@pytest.mark.parametrize(("format", "subtype"), [("WAV", "MS_ADPCM"), ("WAV", "IMA_ADPCM"), ("CAF", "ALAC_16")])
def test_blocks_of_samples_are_whole_or_an_error(format, subtype):
    data = encode(AUDIO, RATE, format, subtype)
    held = decode(data, "x").shape[1]
    assert probe(data, "x").frames == held >= RATE
    with pytest.raises(AudioError, match=r"truncated, \d+ of \d+ samples"):
        decode(data[: len(data) * 2 // 3], "x")


@pytest.mark.parametrize("format", ["WAV", "W64", "AIFF", "CAF"])
def test_what_may_stand_behind_the_samples_is_none_of_them(format):
    note = {
        "WAV": b"LIST" + struct.pack("<I", 9_000),
        "W64": b"list" + W64[4:] + b"\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a" + struct.pack("<Q", 9_024),
        "AIFF": b"JUNK" + struct.pack(">I", 9_000),
        "CAF": b"free" + struct.pack(">q", 9_000),
    }[format] + b"a note. " * 1_125
    whole = encode(AUDIO, RATE, format)
    for behind in (note, b"ID3\x04" + bytes(range(1, 251)) * 40, bytes(9_000), b"\x01" * (JUNK_BYTES - 100)):
        assert probe(whole + behind, "x").frames == RATE
        assert np.array_equal(decode(whole + behind, "x"), decode(whole, "x"))


def test_a_chunk_of_odd_size_is_passed_over_with_and_without_its_padding():
    data = encode(AUDIO, RATE)
    for note in (b"note\x05\x00\x00\x00hello\x00", b"note\x05\x00\x00\x00hello"):
        found = find_samples(io.BytesIO(data[:12] + note + data[12:]))
        assert found is not None
        assert (found.first, found.stated) == (44 + len(note), 4 * RATE)


@pytest.mark.parametrize("stated", [4_000, 64_000])
def test_an_aiff_that_counts_other_samples_than_it_holds(stated):
    data = bytearray(encode(AUDIO, RATE, "AIFF"))
    struct.pack_into(">I", data, data.find(b"COMM") + 10, stated)
    words = "truncated, 16000 of 64000" if stated > RATE else "holds 16000 .*, but states 4000"
    with pytest.raises(AudioError, match=words):
        decode(bytes(data), "x")
    # Its samples' chunk may state what it likes beside that.
    assert decode(stating("AIFF", 20_000), "x").shape == AUDIO.shape


def test_no_samples_are_no_unknown_length():
    for format in SIZES:
        data = encode(AUDIO[:, :0], RATE, format)
        found = find_samples(io.BytesIO(data))
        assert found is not None
        assert found.held == 0


class Hours(io.RawIOBase):
    """A file of ``size`` bytes that is never in memory: a header, then one byte over and over."""

    def __init__(self, head: bytes, size: int) -> None:
        self.head, self.size, self.position = head, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.position = (0, self.position, self.size)[whence] + offset
        return self.position

    def readinto(self, buffer) -> int:
        count = max(0, min(len(buffer), self.size - self.position))
        part = self.head[self.position : self.position + count]
        memoryview(buffer).cast("B")[:count] = part + b"\x11" * (count - len(part))
        self.position += count
        return count


@pytest.mark.parametrize("over", [1, 3])
def test_a_wav_beyond_four_gibibytes_whose_size_ran_over_is_as_long_as_it_is(over):
    frames = (over << 30) + 10 * RATE
    head = stating("WAV", 4 * frames % 2**32)[:44]
    info = probe(Hours(head, 44 + 4 * frames), "x")
    assert info.frames == frames


def test_names_of_chunks():
    assert is_name(b"fmt ")
    assert not any(map(is_name, (b"", b"abc", b"ab\x00c", b"\xffabc")))


@pytest.mark.parametrize("tags", [1, 2])
@pytest.mark.parametrize("format", [*sorted(SIZES), "FLAC", "OGG"])
def test_a_tag_before_the_container_takes_no_samples_away(format, tags):
    """libsndfile passes over it, and ends as many bytes before the end: a cover of 64 kB is a third of a second of CD audio."""
    size = 65_000
    tag = b"ID3\x03\x00\x00" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(size)
    data = encode(AUDIO, RATE, format, "VORBIS" if format == "OGG" else "PCM_16")
    found = tags * tag + data
    assert probe(found, "x").frames == RATE
    np.testing.assert_array_equal(decode(found, "x"), decode(data, "x"))
    np.testing.assert_array_equal(decode(found, "x", RATE - 100, 100), decode(data, "x")[:, -100:])
    if format not in ("FLAC", "OGG"):
        with pytest.raises(AudioError, match="truncated"):
            decode(found[:-4000], "x")
