"""MP3 with a tag that tells its length, without one, and with one that lies. The oracle is the file as LAME wrote it."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from raysep.audio.files import decode, decode_blocks, encode, probe
from raysep.audio.mpeg import behind_id3, broken_at, endless, is_counted
from raysep.errors import AudioError

RATE, SECONDS = 44_100, 6
DELAY = 576  # samples that LAME puts in front, beyond the decoder's own; without a tag nobody takes them off
ID3 = b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048)
ID3V1 = b"TAG" + bytes(125)
APE_SIZE = 6_000
APE = b"".join(
    b"APETAGEX"
    + struct.pack("<IIII", 2000, APE_SIZE, 1, 0x80000000 | head << 29)
    + bytes(8)
    + b"\x55" * (APE_SIZE - 32) * head
    for head in (1, 0)
)


def mp3(mode: str = "VARIABLE", rate: int = RATE, channels: int = 2) -> bytes:
    """A tone, then noise: of variable rate, the first frames are much smaller than the last."""
    time = np.arange(SECONDS * rate) / rate
    noise = (time > SECONDS / 2) * 0.2 * np.random.default_rng(0).standard_normal(len(time))
    stream = io.BytesIO()
    with soundfile.SoundFile(
        stream, "w", rate, channels, "MPEG_LAYER_III", format="MP3", bitrate_mode=mode, compression_level=0.5
    ) as file:
        file.write(np.stack([0.2 * np.sin(1400 * time) + noise] * channels, axis=1))
    return stream.getvalue()


def frame_bytes(data: bytes, rate: int = RATE) -> int:
    kbits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[data[2] >> 4]
    return 144_000 * kbits // rate + (data[2] >> 1 & 1)


def without_tag(data: bytes, rate: int = RATE) -> bytes:
    assert b"Xing" in data[:200] or b"Info" in data[:200]
    return data[frame_bytes(data, rate) :]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_without_its_tag_it_is_as_long_and_holds_the_same_samples(mode):
    whole, untagged = mp3(mode), without_tag(mp3(mode))
    native = soundfile.read(io.BytesIO(whole), dtype="float32")[0].T
    frames = probe(untagged, "x").frames
    assert SECONDS * RATE < frames < SECONDS * RATE + 3 * 1152
    audio = decode(untagged, "x")
    assert audio.shape == (2, frames)
    assert np.array_equal(audio[:, DELAY : DELAY + SECONDS * RATE], native)
    joined = np.concatenate(list(decode_blocks(io.BytesIO(untagged), "x", 7_777)), axis=1)
    assert np.abs(joined - audio).max() < 1e-6


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_with_its_tag_it_is_what_libsndfile_gives(rate, channels):
    whole = mp3(rate=rate, channels=channels)
    native = soundfile.read(io.BytesIO(whole), dtype="float32", always_2d=True)[0].T
    assert is_counted(io.BytesIO(whole))
    assert probe(whole, "x").frames == SECONDS * rate
    assert np.abs(decode(whole, "x") - native).max() < 1e-6


@pytest.mark.parametrize("before", [b"", ID3, ID3 + ID3], ids=["", "ID3v2", "twice"])
@pytest.mark.parametrize("behind", [b"", ID3V1, APE, APE + ID3V1], ids=["", "ID3v1", "APE", "both"])
def test_tags_of_taggers_change_no_length(before, behind):
    whole = mp3()
    assert behind_id3(io.BytesIO(before + whole)) == len(before)
    assert decode(before + whole + behind, "x").shape == (2, SECONDS * RATE)
    alone = decode(without_tag(whole), "x").shape
    assert decode(before + without_tag(whole) + behind, "x").shape == alone


def test_a_cut_one_is_told_with_both_numbers():
    whole = mp3()
    assert probe(whole[: len(whole) // 2], "x").frames == SECONDS * RATE
    with pytest.raises(AudioError, match=rf"x: truncated, \d+ of {SECONDS * RATE} samples .* of the 6\.0 s"):
        decode(whole[: len(whole) // 2], "x")


@pytest.mark.parametrize("factor", [0.25, 4])
def test_a_tag_that_lies_is_told_with_both_numbers(factor):
    data = bytearray(mp3())
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    (frames,) = struct.unpack_from(">I", data, at)
    struct.pack_into(">I", data, at, int(frames * factor))
    words = "truncated, .* of the 2[34]" if factor > 1 else r"holds .* \(6\.0 s\), but states .* \(1\.[45] s\)"
    with pytest.raises(AudioError, match=words):
        decode(bytes(data), "x")


def test_two_in_a_row_are_more_than_the_first_states():
    with pytest.raises(AudioError, match=r"holds \d+ samples \(12\.\d s\), but states \d+ samples \(6\.0 s\)"):
        decode(mp3() + mp3(), "x")


@pytest.mark.parametrize("off", [-1, 1])
def test_a_tag_that_counts_itself_or_not_is_no_lie(off):
    data = bytearray(mp3())
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    (frames,) = struct.unpack_from(">I", data, at)
    struct.pack_into(">I", data, at, frames + off)
    assert decode(bytes(data), "x").shape == (2, probe(bytes(data), "x").frames)


def test_free_format_whose_frames_say_no_rate_is_counted_too():
    data = bytearray(without_tag(mp3("CONSTANT", 48_000), 48_000))
    size = frame_bytes(bytes(data), 48_000)
    frames = probe(bytes(data), "x").frames
    for at in range(0, len(data) - 3, size):
        data[at + 2] &= 0x0F
    assert probe(bytes(data), "x").frames == frames


def test_what_holds_no_frame_is_left_alone():
    stream = io.BytesIO(b"\xff\xfb" * 40)
    assert endless(stream).stream is stream
    assert not is_counted(stream)
    assert not is_counted(io.BytesIO(encode(np.zeros((1, 100), np.float32), 8000)))


@pytest.mark.parametrize("between", [b"", ID3V1, ID3, ID3V1 + ID3], ids=["", "ID3v1", "ID3v2", "both"])
@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (RATE, 1), (22_050, 2)])
def test_a_stream_of_another_kind_behind_is_no_end(rate, channels, between):
    """The decoder stops where rate or channels change: half of the sound would be lost without a word."""
    with pytest.raises(
        AudioError, match=r"several streams in a row, of which only the first, 26\d+ samples \(6\.0 s\)"
    ):
        decode(mp3() + between + mp3(rate=rate, channels=channels), "x")


def test_a_picture_behind_is_no_stream():
    assert decode(mp3() + np.random.default_rng(1).bytes(300_000), "x").shape == (2, SECONDS * RATE)


def frame_in_the_middle(data: bytes) -> int:
    at = 0
    while at < len(data) // 2:
        at += frame_bytes(data[at:])
    return at


@pytest.mark.parametrize("tagged", [True, False])
def test_a_frame_that_is_lost_in_the_middle_is_told(tagged):
    """Of one that states its length no more is missing than where an encoder counts its tag; another one states nothing."""
    data = mp3() if tagged else without_tag(mp3())
    at = frame_in_the_middle(data)
    assert broken_at(io.BytesIO(data)) is None
    damaged = data[:at] + bytes(8) + data[at + 8 :]
    assert broken_at(io.BytesIO(damaged)) == at
    with pytest.raises(
        AudioError, match=rf"x: damaged at byte {at}, where no MPEG frame begins though more follow; replace"
    ):
        decode(damaged, "x")


def test_what_was_put_between_frames_is_passed_over_where_all_are_there():
    data = mp3()
    at = frame_in_the_middle(data)
    for between, broken in ((ID3, None), (bytes(500), at)):
        spread = data[:at] + between + data[at:]
        assert broken_at(io.BytesIO(spread)) == broken
        assert decode(spread, "x").shape == (2, SECONDS * RATE)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("behind", [ID3V1, APE, bytes(9000), b""])
def test_tags_and_zeros_behind_the_last_frame_break_nothing(mode, behind):
    assert broken_at(io.BytesIO(ID3 + mp3(mode) + behind)) is None
    assert broken_at(io.BytesIO(b"nothing of the kind")) is None
