from __future__ import annotations

import io
import time

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from raysep.audio import writer as module
from raysep.audio.files import decode
from raysep.audio.writer import ENCODINGS, AudioWriter, encode_like
from raysep.errors import BadInput, OutputError

RATE = 16_000


def hiss(frames: int = RATE, channels: int = 2) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((channels, frames))).astype(np.float32)


def read(path) -> np.ndarray:
    return soundfile.read(path, dtype="float64", always_2d=True)[0].T


@pytest.mark.parametrize(("format", "bits"), ENCODINGS)
def test_what_is_returned_is_what_a_reader_finds(tmp_path, format, bits):
    path, audio = tmp_path / f"x.{format}", hiss()
    with AudioWriter(path, RATE, 2, format, bits) as writer:
        written = [writer.write(block) for block in np.split(audio, [1, 1, 5_000], axis=1)]
    assert np.array_equal(np.concatenate(written, axis=1), read(path))
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.samplerate) == (*ENCODINGS[format, bits], RATE)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("bits", [16, 24])
def test_samples_are_rounded_to_the_nearest_step(tmp_path, bits):
    steps = 2 ** (bits - 1)
    wanted = np.array([[-3, -1, 0, 1, 2, 5]])
    off = np.array([[0.4, -0.4, 0.49, -0.3, 0.2, 0.1]])
    with AudioWriter(tmp_path / "x.wav", RATE, 1, "wav", bits) as writer:
        writer.write(((wanted + off) / steps).astype(np.float32))
    assert np.array_equal(read(tmp_path / "x.wav") * steps, wanted)


@given(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=20))
def test_samples_beyond_full_scale_are_cut_and_counted(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("cut") / "x.wav"
    with AudioWriter(path, RATE, 1) as writer:
        writer.write(np.array([values], np.float32))
    assert np.abs(read(path) - np.clip(values, -1, 1)).max() <= 1 / 32768
    assert writer.clipped == sum(abs(v) > 1 for v in values)
    assert writer.peak == max(map(abs, values))


def test_floating_point_keeps_what_lies_beyond_full_scale(tmp_path):
    with AudioWriter(tmp_path / "x.wav", RATE, 1, bits=32) as writer:
        writer.write(np.array([[1.5, -2.0]], np.float32))
    assert read(tmp_path / "x.wav").tolist() == [[1.5, -2.0]]
    assert (writer.clipped, writer.peak) == (0, 2.0)


def test_an_exception_leaves_what_was_there(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"before")

    def fail() -> None:
        with AudioWriter(path, RATE, 2) as writer:
            writer.write(hiss())
            assert path.read_bytes() == b"before"
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_written_is_a_file_without_samples(tmp_path):
    with AudioWriter(tmp_path / "x.wav", RATE, 2) as writer:
        assert writer.write(np.zeros((2, 0))).shape == (2, 0)
    assert read(tmp_path / "x.wav").shape == (2, 0)


def test_what_no_wav_can_hold_becomes_rf64_under_the_same_name(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WAV_BYTES", 1000)
    for frames, expected in ((250, "WAV"), (251, "RF64")):
        with AudioWriter(tmp_path / "x.wav", RATE, 2, frames=frames) as writer:
            writer.write(hiss(frames))
        assert soundfile.info(tmp_path / "x.wav").format == expected
        assert read(tmp_path / "x.wav").shape == (2, frames)


@pytest.mark.parametrize(("format", "bits"), [("flac", 32), ("mp3", 16), ("wav", 8)])
def test_unknown_encodings_are_refused(tmp_path, format, bits):
    with pytest.raises(BadInput, match=f"format {format}, bits {bits}"):
        AudioWriter(tmp_path / "x", RATE, 2, format, bits)


def test_more_channels_than_the_format_has_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(BadInput, match="9 channels at 16000 Hz cannot be written as flac"):
        AudioWriter(tmp_path / "x.flac", RATE, 9, "flac")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("format", "bits"), ENCODINGS)
def test_a_full_disk_is_told_of_the_file_and_leaves_nothing(tmp_path, file_limit, format, bits):
    path = tmp_path / f"x.{format}"

    def write() -> None:
        with AudioWriter(path, RATE, 2, format, bits) as writer:
            for _ in range(20):
                writer.write(hiss())

    said = rf"x\.{format}: cannot be written \(.*MiB are free there\); make room there"
    with file_limit(20_000), pytest.raises(OutputError, match=said):
        write()
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_callers_own_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(KeyError), AudioWriter(tmp_path / "x.wav", RATE, 2):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


# In the samples of another file


def test_a_planted_copy_is_rounded_to_the_nearest_step_and_not_cut():
    audio = (np.random.default_rng(0).standard_normal((2, 4000)) / 4).astype(np.float32)
    for format, step in (("WAV/PCM_16", 2.0**-15), ("FLAC/PCM_24", 2.0**-23)):
        written = decode(encode_like(audio.clip(-1, 1 - step), 8000, format)[0], "x")
        assert np.abs(written - audio.clip(-1, 1 - step)).max() <= 0.51 * step
    assert np.array_equal(decode(encode_like(2 * audio, 8000, "MP3/MPEG_LAYER_III")[0], "x"), 2 * audio)
    data, written_as = encode_like(2 * audio / np.abs(audio).max(), 8000, "WAV/PCM_16")
    assert written_as == "WAV/FLOAT"  # resampling has taken 16 bits beyond full scale: they are not cut
    assert np.abs(decode(data, "x")).max() == pytest.approx(2.0)


def test_floating_point_copies_are_the_same_bytes_whenever_they_are_written():
    audio = hiss(100, 1)
    first, _ = encode_like(audio, 8000, "OGG/VORBIS")
    assert soundfile.info(io.BytesIO(first)).subtype == "FLOAT"
    time.sleep(1.1)  # the header's clock counts in seconds
    assert encode_like(audio, 8000, "OGG/VORBIS")[0] == first
