from __future__ import annotations

import io
import pickle
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis.extra import numpy as hnp

from raysep.audio.files import AudioInfo, decode, decode_blocks, encode, probe
from raysep.errors import AudioError

RATE = 16_000


def hiss(seconds: float = 1.0, channels: int = 2) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((channels, round(seconds * RATE)))
    return (0.1 * noise).astype(np.float32)


@given(hnp.arrays(np.int16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=50)))
def test_sixteen_bit_audio_survives_bit_for_bit(samples):
    """Decoding and encoding again must not wear a corpus down."""
    audio = samples.astype(np.float32) / 32768
    for format in ("WAV", "FLAC"):
        if format == "FLAC" and len(samples) > 8:
            continue  # FLAC ends at eight channels
        assert np.array_equal(decode(encode(audio, RATE, format), "x"), audio)


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT"])
def test_finer_formats_are_exact_too(subtype):
    audio = np.round(hiss() * 2**23) / np.float32(2**23)
    assert np.array_equal(decode(encode(audio, RATE, "WAV", subtype), "x"), audio)


def test_the_channel_comes_first_and_the_memory_is_contiguous():
    audio = np.stack([np.full(10, 0.25), np.full(10, -0.5)]).astype(np.float32)
    out = decode(encode(audio, RATE), "x")
    assert np.array_equal(out, audio)
    assert out.dtype == np.float32
    assert out.flags.c_contiguous


def test_samples_outside_are_clipped_and_do_not_wrap():
    out = decode(encode(np.array([[2.0, -2.0, 1.0]], np.float32), RATE), "x")
    assert out[0].tolist() == [32767 / 32768, -1.0, 32767 / 32768]


def test_floating_point_holds_what_is_beyond_full_scale():
    loud = 2.5 * hiss() / np.abs(hiss()).max()
    assert np.array_equal(decode(encode(loud, RATE, "WAV", "FLOAT"), "x"), loud)
    assert np.abs(decode(encode(loud, RATE, "OGG", "VORBIS", compression=0.0), "x")).max() > 2


@pytest.mark.parametrize(
    ("format", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")]
)
def test_probe_and_a_range(format, subtype):
    data = encode(hiss(), RATE, format, subtype)
    assert probe(data, "x") == AudioInfo(RATE, 2, RATE, f"{format}/{subtype}")
    whole = decode(io.BytesIO(data), "x")
    assert whole.shape == (2, RATE)
    part = decode(data, "x", start=RATE // 2, frames=1_000)
    assert part.shape == (2, 1_000)
    if format in ("WAV", "FLAC"):
        assert np.array_equal(part, whole[:, RATE // 2 : RATE // 2 + 1_000])
    assert decode(data, "x", start=RATE - 10, frames=1_000).shape == (2, 10)
    assert decode(data, "x", start=RATE).shape == (2, 0)


@pytest.mark.parametrize(
    ("format", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")]
)
@pytest.mark.parametrize("frames", [1_000, 7_777, 1 << 20])
def test_blocks_join_to_the_whole(format, subtype, frames):
    data = encode(hiss(), RATE, format, subtype)
    blocks = list(decode_blocks(io.BytesIO(data), "x", frames))
    assert [b.shape[1] for b in blocks[:-1]] == [frames] * ((RATE - 1) // frames)
    assert all(b.flags.c_contiguous and b.dtype == np.float32 for b in blocks)
    # MP3's decoder is off by a rounding after a seek
    assert np.abs(np.concatenate(blocks, axis=1) - decode(data, "x")).max() <= (1e-6 if format == "MP3" else 0)


@pytest.mark.parametrize("format", ["WAV", "FLAC"])
def test_blocks_of_a_truncated_file_end_in_an_error(format):
    data = encode(hiss(), RATE, format)
    read = []
    with pytest.raises(AudioError, match=r"^x: "):
        read.extend(decode_blocks(data[: len(data) * 2 // 3], "x", 1_000))
    assert 0 < len(read) <= 16 * 2 // 3


def test_blocks_of_rubbish_and_of_infinities_are_errors_too():
    with pytest.raises(AudioError, match=r"^s3://b/x\.wav: "):
        next(decode_blocks(b"not audio at all" * 50, "s3://b/x.wav"))
    stream = io.BytesIO()
    soundfile.write(stream, np.array([0.0, np.inf]), RATE, format="WAV", subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        next(decode_blocks(stream, "x"))


def test_no_frames_at_all():
    data = encode(np.zeros((2, 0), np.float32), RATE)
    assert probe(data, "x").frames == 0
    assert decode(data, "x").shape == (2, 0)
    assert list(decode_blocks(data, "x")) == []


@pytest.mark.parametrize("rubbish", [b"", b"not audio at all" * 50, b"RIFF", b"RIFF\x00\x00\x00\x00WAVEfmt \xff"])
def test_rubbish_is_named_and_the_error_travels(rubbish):
    for read in (probe, decode):
        with pytest.raises(AudioError, match=r"^s3://b/x\.wav: ") as caught:
            read(rubbish, "s3://b/x.wav")
        # from a worker process the error has to arrive whole
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(("format", "subtype"), [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16")])
def test_a_truncated_file_is_an_error_and_not_a_shorter_stem(format, subtype):
    data = encode(hiss(), RATE, format, subtype)
    cut = data[: len(data) * 2 // 3]
    assert probe(cut, "x").frames == RATE  # what the header promises
    with pytest.raises(AudioError, match=r"^x: "):
        decode(cut, "x")
    with pytest.raises(AudioError, match=r"^x: "):
        decode(cut, "x", start=RATE - 100, frames=100)


def test_what_is_left_of_a_truncated_wav_can_be_read_as_a_range():
    audio = hiss()
    data = encode(audio, RATE)
    part = decode(data[: len(data) // 2], "x", start=10, frames=100)
    assert np.abs(part - audio[:, 10:110]).max() < 1e-4


def test_a_wav_of_unknown_length_from_a_pipe_is_read_to_its_end():
    data = bytearray(encode(hiss(), RATE))
    for at in (4, 40):
        struct.pack_into("<I", data, at, 0xFFFFFFFF)
    assert probe(bytes(data), "x").frames == RATE
    assert decode(bytes(data), "x").shape == (2, RATE)


def test_chunks_in_front_of_the_samples_are_passed_over():
    data = encode(hiss(), RATE)
    note = b"note" + struct.pack("<I", 5) + b"hello\x00"  # odd sizes are padded
    longer = data[:12] + note + data[12:]
    assert decode(longer, "x").shape == (2, RATE)
    assert probe(longer[:-1_000], "x").frames == RATE


def test_samples_that_are_not_finite_are_refused():
    stream = io.BytesIO()
    soundfile.write(stream, np.array([0.0, np.nan, 1.0]), RATE, format="WAV", subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        decode(stream.getvalue(), "x")


def test_minutes_of_vorbis_do_not_crash_the_encoder():
    quiet = np.zeros((1, 240 * RATE), np.float32)
    quiet[0, ::100] = 0.1
    assert decode(encode(quiet, RATE, "OGG", "VORBIS"), "x").shape == quiet.shape


def test_compression_makes_smaller_files():
    sizes = [len(encode(hiss(), RATE, "OGG", "VORBIS", compression=level)) for level in (0.0, 0.5, 1.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1.5 * sizes[-1]


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
def test_samples_are_rounded_to_the_nearest_step(subtype, bits):
    audio = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 5000)).astype(np.float32)
    error = (decode(encode(audio, 8000, subtype=subtype), "x").astype(np.float64) - audio) * 2 ** (bits - 1)
    assert np.abs(error).max() <= 0.5 + 1e-3
    assert abs(error.mean()) < 0.02  # rounded down it would be -0.5


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2_000_000_000])
def test_a_rate_that_no_sound_has_is_a_broken_header(rate):
    data = bytearray(encode(np.full((1, RATE), 0.1, np.float32), RATE))
    struct.pack_into("<I", data, data.find(b"fmt ") + 12, rate)
    for read in (probe, decode):
        with pytest.raises(AudioError, match=f"x: states a rate of {rate} Hz"):
            read(bytes(data), "x")
