from __future__ import annotations

import resource

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from raysep.audio import writer as module
from raysep.audio.writer import ENCODINGS, AudioWriter
from raysep.errors import BadInput, RaysepError

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


def fill(path) -> None:
    with AudioWriter(path, 8000, 2, path.suffix[1:]) as file:
        for _ in range(20):
            file.write(np.random.default_rng(0).uniform(-1, 1, (2, 8000)))


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_a_place_that_takes_no_more_is_named_and_left_without_a_file(tmp_path, format):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(
            RaysepError, match=rf"a\.{format}: cannot be written .*MiB are free there\); make room"
        ) as told:
            fill(tmp_path / f"a.{format}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not isinstance(told.value, BadInput)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_no_wrong_format(tmp_path):
    with pytest.raises(RaysepError, match=r"a\.wav: cannot be written \(System error") as told:
        fill(tmp_path / "gone" / "a.wav")
    assert not isinstance(told.value, BadInput)
