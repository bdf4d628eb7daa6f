"""One mixture as a stream into files. Oracles by hand: the network here multiplies, and does nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.audio.files import AudioInfo
from raysep.commands.separate.stem_files import Passing, StemFiles, workspace, write_stems
from raysep.corpus import storage
from raysep.errors import BadInput
from raysep.separators.base import Separator

RATE = 8000


@dataclass(frozen=True)
class GainsConfig:
    stems: tuple[str, ...] = ("vocals", "drums", "bass")
    sample_rate: int = RATE
    channels: int = 2
    n_fft: int = 128
    hop: int = 32


class Gains(Separator):
    """Every stem is the mixture times a number."""

    config_class = GainsConfig

    def __init__(self, gains: tuple[float, ...] = (0.5, 0.25, 0.125)) -> None:
        super().__init__(GainsConfig())
        self.gains = torch.tensor(gains)

    def separate(self, mixture, filter="ratio", residual=False):
        estimates = self.gains[:, None, None] * mixture.unsqueeze(1)
        rest = mixture.unsqueeze(1) - estimates.sum(dim=1, keepdim=True)
        return torch.cat([estimates, rest], dim=1) if residual else estimates


def noise(time: int, channels: int = 2, peak: float = 0.9) -> np.ndarray:
    return np.random.default_rng(time).uniform(-peak, peak, (channels, time)).astype(np.float32)


def cut(mixture: np.ndarray, places) -> list[np.ndarray]:
    return [mixture[:, a:b] for a, b in pairwise([0, *sorted(p % (mixture.shape[1] + 1) for p in places), None])]


def info_of(mixture: np.ndarray, rate: int = RATE) -> AudioInfo:
    return AudioInfo(rate, *mixture.shape, "WAV/FLOAT")


def write(mixture, folder: Path, network=None, places=(), rate: int = RATE, **options) -> tuple[int, float]:
    folder.mkdir(exist_ok=True)
    chosen = StemFiles(**{"chunk_seconds": 0.1} | options)
    return write_stems(network or Gains(), cut(mixture, places), info_of(mixture, rate), folder, chosen, batch=2)


def files(folder: Path) -> dict[str, np.ndarray]:
    """Name without extension -> ``(channel, time)``, hidden ones too."""
    return {path.stem: soundfile.read(path, always_2d=True)[0].T for path in folder.iterdir()}


# which files


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["vocals", "drums", "bass"]),
        ({"residual": True}, ["vocals", "drums", "bass", "residual"]),
        ({"stems": ("bass", "vocals")}, ["vocals", "bass"]),
        ({"stems": ("bass",), "residual": True}, ["bass", "residual"]),
        ({"two_stems": "drums"}, ["drums", "no_drums"]),
    ],
)
def test_the_files_are_the_ones_that_are_asked_for(tmp_path, options, names):
    assert StemFiles(**options).names_of(Gains()) == names
    write(noise(1000), tmp_path / "out", **options)
    assert set(files(tmp_path / "out")) == set(names)


def test_options_that_do_not_go_together_are_refused():
    with pytest.raises(BadInput, match="choir: the network knows vocals, drums, bass"):
        StemFiles(stems=("vocals", "choir")).names_of(Gains())
    with pytest.raises(BadInput, match="two stems of vocals"):
        StemFiles(two_stems="vocals", stems=("drums",))
    with pytest.raises(BadInput, match="clip 'fold'"):
        StemFiles(clip="fold")
    with pytest.raises(BadInput, match="format flac, bits 32"):
        StemFiles(format="flac", bits=32)


# what is in them


@settings(max_examples=40, deadline=None)
@given(
    time=st.integers(1, 4000),
    channels=st.sampled_from([1, 2, 4]),
    places=st.lists(st.integers(0, 4000), max_size=6),
    encoding=st.sampled_from([("wav", 16), ("wav", 24), ("wav", 32), ("flac", 16), ("flac", 24)]),
    overlap=st.sampled_from([0.0, 0.25, 0.9]),
)
def test_every_stem_is_rounded_once_and_the_rest_takes_up_the_rounding(
    tmp_path_factory, time, channels, places, encoding, overlap
):
    mixture, folder = noise(time, channels), tmp_path_factory.mktemp("out")
    format, bits = encoding
    step = 2.0 ** (1 - min(bits, 24))
    cut_off, peak = write(
        mixture, folder, places=places, stems=("vocals", "bass"), residual=True, format=format, bits=bits,
        overlap=overlap,
    )  # fmt: skip
    found = files(folder)
    assert all(audio.shape == mixture.shape for audio in found.values())
    for name, gain in (("vocals", 0.5), ("bass", 0.125)):
        np.testing.assert_allclose(found[name], gain * mixture, rtol=0, atol=0.5 * step + 1e-6)
    np.testing.assert_allclose(sum(found.values()), mixture, rtol=0, atol=0.5 * step + 2e-7)
    assert cut_off == 0
    assert peak == pytest.approx(0.5 * np.abs(mixture).max(), abs=1e-5)


@pytest.mark.parametrize("rate", [11025, 16000, 44100])
def test_another_rate_goes_there_and_back(tmp_path, rate):
    """A tone both rates can carry comes back times the gain; the ends hear the filters of two conversions."""
    time = np.arange(round(1.2345 * rate)) / rate
    mixture = 0.8 * np.stack([np.sin(2 * np.pi * 440 * time), np.cos(2 * np.pi * 700 * time)]).astype(np.float32)
    write(mixture, tmp_path / "out", rate=rate, bits=32)
    found = files(tmp_path / "out")
    for name, gain in (("vocals", 0.5), ("drums", 0.25), ("bass", 0.125)):
        assert found[name].shape == mixture.shape
        inner = slice(rate // 10, -rate // 10)
        np.testing.assert_allclose(found[name][:, inner], gain * mixture[:, inner], rtol=0, atol=1e-3)


def test_what_is_cut_is_counted_and_the_rest_still_fits(tmp_path):
    mixture = noise(5000, peak=0.9)
    expected = 2 * mixture
    cut_off, peak = write(mixture, tmp_path / "out", Gains((2.0, 0.0, 0.0)), two_stems="vocals")
    assert cut_off == np.count_nonzero(np.abs(expected) > 1)
    assert cut_off > 1000
    assert peak == pytest.approx(np.abs(expected).max(), rel=1e-5)
    found = files(tmp_path / "out")
    np.testing.assert_allclose(found["vocals"], expected.clip(-1, 1), rtol=0, atol=1.01 / 2**15)
    np.testing.assert_allclose(sum(found.values()), mixture, rtol=0, atol=1.01 / 2**15)


def test_rescaling_makes_all_files_quieter_by_the_highest_peak(tmp_path):
    mixture = noise(5000, peak=0.9)
    cut_off, peak = write(mixture, tmp_path / "out", Gains((2.0, 0.5, 0.0)), clip="rescale")
    assert cut_off == 0
    assert peak == pytest.approx(2 * np.abs(mixture).max(), rel=1e-5)
    found = files(tmp_path / "out")
    for name, gain in (("vocals", 2.0), ("drums", 0.5), ("bass", 0.0)):
        np.testing.assert_allclose(found[name], gain * mixture / peak, rtol=0, atol=1.01 / 2**15)
    write(mixture, tmp_path / "quiet", clip="rescale")  # nothing to rescale: as they are
    np.testing.assert_allclose(files(tmp_path / "quiet")["vocals"], 0.5 * mixture, rtol=0, atol=0.51 / 2**15)


@pytest.mark.parametrize("clip", ["clip", "rescale"])
def test_a_mixture_that_breaks_off_leaves_no_file(tmp_path, clip):
    def blocks():
        yield noise(3000)
        raise BadInput("cut short")

    with pytest.raises(BadInput, match="cut short"):
        write_stems(Gains(), blocks(), info_of(noise(6000)), tmp_path, StemFiles(chunk_seconds=0.1, clip=clip))
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told_in_samples_that_are_written(tmp_path):
    told: list[int] = []
    mixture = noise(5000)
    write_stems(
        Gains(), cut(mixture, [700]), info_of(mixture), tmp_path, StemFiles(chunk_seconds=0.1), advance=told.append
    )
    assert told == sorted(told)
    assert told[-1] == 5000
    assert len(told) > 5


# its parts


@given(
    lengths=st.lists(st.integers(0, 9), max_size=12),
    counts=st.lists(st.integers(0, 20), max_size=20),
)
def test_what_passed_is_taken_once_and_in_order(lengths, counts):
    total = sum(lengths)
    mixture = np.arange(2 * total).reshape(2, total)
    passing = Passing(np.split(mixture, np.cumsum(lengths)[:-1], axis=1) if lengths else [])
    assert [block.shape[1] for block in passing] == lengths
    taken = []
    for count in counts:
        left = total - sum(block.shape[1] for block in taken)
        if lengths:
            taken.append(passing.take(min(count, left)))
            assert taken[-1].shape == (2, min(count, left))
    if taken:
        joined = np.concatenate(taken, axis=1)
        np.testing.assert_array_equal(joined, mixture[:, : joined.shape[1]])


def test_a_mixture_that_nobody_asks_for_again_is_not_kept():
    passing = Passing([noise(10)], keep=False)
    assert len(list(passing)) == 1
    assert not passing.held


def test_files_come_into_an_object_store_together_or_not_at_all(s3_server):
    import boto3

    boto3.client("s3").create_bucket(Bucket="stems")

    def broken():
        with workspace("s3://stems/a") as folder:
            (folder / "vocals.wav").write_bytes(b"sung")
            raise BadInput("broken")

    with pytest.raises(BadInput, match="broken"):
        broken()
    assert storage.list_files("s3://stems/a") == []
    with workspace("s3://stems/a") as folder:
        (folder / "vocals.wav").write_bytes(b"sung" * (3 << 20))  # more than one part of an upload
    assert storage.read_bytes("s3://stems/a/vocals.wav") == b"sung" * (3 << 20)
    assert not folder.exists()


# memory

MEASURE = """
import json, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_stem_files import Gains, RATE
from raysep.audio.files import AudioInfo
from raysep.commands.separate.stem_files import StemFiles, write_stems

def peak(seconds):
    frames = 11025 * seconds
    block = np.full((2, 11025), 0.1, np.float32)
    options = StemFiles(residual=True, clip="rescale", chunk_seconds=5.0)
    info = AudioInfo(11025, 2, frames, "WAV/PCM_16")
    write_stems(Gains(), (block.copy() for _ in range(seconds)), info, Path(sys.argv[2]), options)
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024

peak(60)  # the allocator warms up over the first runs of any length
print(json.dumps([peak(60), peak(900)]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process's peak from /proc")
def test_the_peak_of_memory_does_not_grow_with_the_length(tmp_path):
    """Fifteen times the length, with residual, another rate and rescaling: every buffer on the way is in use.

    The mixture alone is 71 MiB longer then, the stems three times that. The kernel's VmHWM is asked, not ``ru_maxrss``:
    that one is handed on to a new program, whose own peak would hide below that of the tests that started it.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    short, long = json.loads(done.stdout)
    assert long - short < 30, f"{short:.0f} MiB for a minute, {long:.0f} MiB for fifteen"
