"""`raysep separate` on real files, with a small network that was never trained: every property but its taste."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from raysep.commands.separate import separate as module
from raysep.commands.separate.separate import RECORD, separate_files
from raysep.corpus import storage
from raysep.errors import BadInput, FinishedWithFailures, OutputError, RunConflict
from raysep.separators import checkpoint, inference, registry

RATE = 8000
STEMS = ("vocals", "drums")


@pytest.fixture
def model(tmp_path) -> str:
    torch.manual_seed(0)
    network = registry.build("openunmix-joint", stems=STEMS, sample_rate=RATE, n_fft=128, hop=64, hidden=8)
    name, arguments = registry.describe(network)
    path = tmp_path / "model.safetensors"
    path.write_bytes(checkpoint.to_bytes(checkpoint.Checkpoint(name, arguments, network.state_dict(), None, 0, {})))
    return str(path)


def write(path: Path, seconds: float = 2.0, channels: int = 2, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Noise that swells, 16 bit; returns it as it is in the file, ``(sample, channel)``."""
    rng = np.random.default_rng(seed)
    swell = np.linspace(0.02, 0.2, round(seconds * rate))[:, None]
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, swell * rng.standard_normal((len(swell), channels)), rate, subtype="PCM_16")
    return read(path)


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, always_2d=True)[0]


def run(model: str, *inputs: Path, out: Path, **options) -> list[str]:
    return separate_files(model, [str(i) for i in inputs], str(out), quiet=True, **options)


def test_the_stems_are_those_of_the_network(model, tmp_path):
    mixture = write(tmp_path / "song.wav", seconds=3.1)
    files = run(model, tmp_path / "song.wav", out=tmp_path / "out", chunk_seconds=1.0)
    network = checkpoint.network_of(checkpoint.from_bytes(Path(model).read_bytes(), model))
    expected = inference.separate(network, torch.from_numpy(mixture.T.astype(np.float32)), chunk_seconds=1.0)
    assert files == [str(tmp_path / "out" / "song" / f"{stem}.wav") for stem in STEMS]
    for file, stem in zip(files, expected, strict=True):
        np.testing.assert_allclose(read(Path(file)).T, stem, atol=0.51 / 2**15)


@pytest.mark.parametrize("filter", ["ratio", "phase", "wiener"])
@pytest.mark.parametrize(("format", "bits"), [("wav", 16), ("flac", 24), ("wav", 32)])
def test_the_files_of_a_folder_add_up_to_the_mixture(model, tmp_path, filter, format, bits):
    mixture = write(tmp_path / "song.flac", seconds=1.3)
    run(model, tmp_path / "song.flac", out=tmp_path / "out", residual=True, filter=filter, format=format, bits=bits)
    found = {path.stem: read(path) for path in (tmp_path / "out" / "song").glob(f"*.{format}")}
    assert set(found) == {*STEMS, "residual"}
    np.testing.assert_allclose(sum(found.values()), mixture, atol=1.01 / 2 ** (min(bits, 24) - 1))


@pytest.mark.parametrize(
    ("rate", "channels"), [(8000, 1), (44100, 2), (11025, 1), (8000, 4)], ids=["mono", "44.1 kHz", "both", "two pairs"]
)
def test_every_file_keeps_its_rate_channels_and_length(model, tmp_path, rate, channels):
    mixture = write(tmp_path / "song.wav", seconds=1.234, rate=rate, channels=channels)
    for file in run(model, tmp_path / "song.wav", out=tmp_path / "out", residual=True):
        info = soundfile.info(file)
        assert (info.samplerate, info.channels, info.frames) == (rate, channels, len(mixture))


def test_two_stems_are_one_and_the_rest(model, tmp_path):
    mixture = write(tmp_path / "song.wav")
    files = run(model, tmp_path / "song.wav", out=tmp_path / "out", two_stems="vocals")
    assert [Path(file).name for file in files] == ["vocals.wav", "no_vocals.wav"]
    np.testing.assert_allclose(sum(read(Path(file)) for file in files), mixture, atol=1.01 / 2**15)


def test_what_is_finished_is_not_done_again_and_what_is_missing_is(model, tmp_path):
    write(tmp_path / "in" / "a.wav", seed=1)
    write(tmp_path / "in" / "sub" / "b.wav", seed=2)
    files = run(model, tmp_path / "in", out=tmp_path / "out")
    assert [str(Path(f).relative_to(tmp_path / "out")) for f in files] == [
        "a/vocals.wav", "a/drums.wav", "sub/b/vocals.wav", "sub/b/drums.wav"
    ]  # fmt: skip
    times = {file: Path(file).stat().st_mtime_ns for file in files}
    Path(files[2]).unlink()
    assert run(model, tmp_path / "in", out=tmp_path / "out") == files
    again = {file: Path(file).stat().st_mtime_ns for file in files}
    assert {file for file in files if again[file] != times[file]} == {files[2], files[3]}


def test_stems_of_another_origin_are_kept_unless_told_otherwise(model, tmp_path):
    write(tmp_path / "song.wav", seed=1)
    run(model, tmp_path / "song.wav", out=tmp_path / "out")
    write(tmp_path / "song.wav", seed=2)
    with pytest.raises(
        RunConflict, match=r"another input, model or options \(.*song\.wav is not the file that it was\)"
    ):
        run(model, tmp_path / "song.wav", out=tmp_path / "out")
    run(model, tmp_path / "song.wav", out=tmp_path / "out", overwrite=True)
    (tmp_path / "hers" / "song").mkdir(parents=True)
    (tmp_path / "hers" / "song" / "vocals.wav").write_bytes(b"sung")
    with pytest.raises(RunConflict, match=r"vocals\.wav: was not written by raysep"):
        run(model, tmp_path / "song.wav", out=tmp_path / "hers")
    assert (tmp_path / "hers" / "song" / "vocals.wav").read_bytes() == b"sung"


def test_one_bad_file_does_not_stop_the_others(model, tmp_path):
    write(tmp_path / "in" / "a.wav")
    (tmp_path / "in" / "b.wav").write_text("no audio at all")
    write(tmp_path / "in" / "c.wav")
    with pytest.raises(FinishedWithFailures, match=r"1 of 3 inputs failed, first .*b\.wav"):
        run(model, tmp_path / "in", out=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir() if (path / "drums.wav").exists()} == {"a", "c"}
    assert not list((tmp_path / "out").rglob(".*"))  # nothing half written


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_a_file_that_does_not_fit_is_named_with_the_way_out(model, tmp_path, format):
    write(tmp_path / "three.wav", channels=3)
    write(tmp_path / "ten.wav", channels=10)
    write(tmp_path / "empty.wav", seconds=0.0)
    for name, reason in (("three", "3 channels: .* mono"), ("ten", "10 channels .* as flac"), ("empty", "no samples")):
        if (name, format) == ("ten", "wav"):
            continue  # a WAV takes them: five pairs
        with pytest.raises(FinishedWithFailures, match=rf"first {tmp_path}/{name}\.wav: .*{reason}"):
            run(model, tmp_path / f"{name}.wav", out=tmp_path / "out", format=format)


@pytest.mark.parametrize("content", ["{}", "no record", "[1]", '{"finished": true}'])
def test_a_record_of_someone_else_is_kept(model, tmp_path, content):
    write(tmp_path / "song.wav")
    record = tmp_path / "out" / "song" / RECORD
    record.parent.mkdir(parents=True)
    record.write_text(content)
    with pytest.raises(RunConflict, match=r"song/separation\.json: not a record of raysep separate"):
        run(model, tmp_path / "song.wav", out=tmp_path / "out")
    assert record.read_text() == content
    run(model, tmp_path / "song.wav", out=tmp_path / "out", overwrite=True)
    assert json.loads(record.read_text())["finished"]


def test_a_stem_in_the_way_of_another_inputs_folder_is_seen_before_any_work(model, tmp_path):
    """``song`` has the file ``song/vocals.wav``; the flac beside ``song/vocals.wav`` gives that name to a folder."""
    for name in ("song.wav", "song/Vocals.wav", "song/Vocals.flac"):
        write(tmp_path / "in" / name)
    with pytest.raises(BadInput, match=r"in/song/Vocals\.wav: its folder .* where a stem of .*in/song\.wav goes"):
        run(model, tmp_path / "in", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert len(run(model, tmp_path / "in" / "song", out=tmp_path / "out")) == 4


def test_a_full_disk_is_the_outputs_fault_and_ends_it(model, tmp_path, file_limit):
    for name in "ab":
        write(tmp_path / "in" / f"{name}.wav", seconds=4.0)
    with file_limit(30_000), pytest.raises(OutputError) as told:
        run(model, tmp_path / "in", out=tmp_path / "out")
    assert str(told.value).startswith(f"{tmp_path}/out/a/")
    assert "cannot be written" in str(told.value)
    assert f"{tmp_path}/in" not in str(told.value)
    assert not list((tmp_path / "out").rglob("*.wav"))
    assert not (tmp_path / "out" / "b").exists()
    assert len(run(model, tmp_path / "in", out=tmp_path / "out")) == 4


def test_a_disk_without_room_for_the_stems_is_seen_before_they_are_made(model, tmp_path, monkeypatch):
    import shutil
    from types import SimpleNamespace

    write(tmp_path / "song.wav", seconds=2.0)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=100_000))
    monkeypatch.setattr(module, "write_stems", None)
    with pytest.raises(OutputError, match=r"out/song: has room for 0\.0954 MiB"):
        run(model, tmp_path / "song.wav", out=tmp_path / "out")


def test_a_place_that_cannot_be_written_is_named_before_the_model_is_read(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"--out .*file/out: cannot be written"):
        run("no.safetensors", tmp_path / "no.wav", out=tmp_path / "file" / "out")


def test_a_file_is_no_place_for_folders(model, tmp_path):
    write(tmp_path / "song.wav")
    (tmp_path / "out").write_text("precious")
    with pytest.raises(BadInput, match="out: is a file; give a folder"):
        run(model, tmp_path / "song.wav", out=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "precious"


def test_a_killed_separation_is_not_taken_for_a_finished_one(model, tmp_path, monkeypatch):
    write(tmp_path / "song.wav", seconds=3.0)

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_stems", killed)
    with pytest.raises(KeyboardInterrupt):
        run(model, tmp_path / "song.wav", out=tmp_path / "out")
    monkeypatch.undo()
    assert not json.loads((tmp_path / "out" / "song" / RECORD).read_text())["finished"]
    run(model, tmp_path / "song.wav", out=tmp_path / "out")
    assert json.loads((tmp_path / "out" / "song" / RECORD).read_text())["finished"]


def test_rescaling_keeps_what_cutting_loses(model, tmp_path):
    rng = np.random.default_rng(0)
    loud = np.clip(rng.standard_normal((RATE, 2)), -1, 1)
    soundfile.write(tmp_path / "loud.wav", loud, RATE, subtype="FLOAT")
    options = {"two_stems": "vocals", "filter": "phase"}
    run(model, tmp_path / "loud.wav", out=tmp_path / "whole", bits=32, **options)
    run(model, tmp_path / "loud.wav", out=tmp_path / "scaled", clip="rescale", **options)
    whole, scaled = (
        np.stack([read(tmp_path / place / "loud" / f"{name}.wav") for name in ("vocals", "no_vocals")])
        for place in ("whole", "scaled")
    )
    gain = 1.0 / max(1.0, np.abs(whole).max())
    np.testing.assert_allclose(scaled, gain * whole, atol=1.01 / 2**15)
    assert not list((tmp_path / "scaled").rglob(".*"))


@pytest.fixture
def bucket(s3_server):
    import boto3

    boto3.client("s3").create_bucket(Bucket="songs")
    return "s3://songs"


def test_all_places_may_be_in_an_object_store(model, tmp_path, bucket):
    mixture = write(tmp_path / "song.wav")
    for name, path in (("in/song.wav", tmp_path / "song.wav"), ("m.safetensors", Path(model))):
        storage.write_bytes(f"{bucket}/{name}", path.read_bytes())
    files = separate_files(f"{bucket}/m.safetensors", [f"{bucket}/in"], f"{bucket}/out", quiet=True, residual=True)
    assert files == [f"{bucket}/out/song/{name}.wav" for name in (*STEMS, "residual")]
    for file in files:
        (tmp_path / Path(file).name).write_bytes(storage.read_bytes(file))
    total = sum(read(tmp_path / Path(file).name) for file in files)
    np.testing.assert_allclose(total, mixture, atol=1.01 / 2**15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "mp3"}, "format mp3"),
        ({"bits": 8}, "bits 8"),
        ({"stems": ("choir",)}, "choir"),
        ({"two_stems": "vocals", "residual": True}, "two stems"),
        ({"overlap": 1.0}, "overlap 1.0"),
        ({"filter": "magic"}, "magic"),
        ({"device": "abacus"}, "device abacus"),
    ],
)
def test_options_out_of_range_are_named_before_any_work(model, tmp_path, options, message):
    write(tmp_path / "song.wav")
    with pytest.raises(BadInput, match=message):
        run(model, tmp_path / "song.wav", out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_place_without_a_model_says_what_to_give(tmp_path):
    write(tmp_path / "song.wav")
    with pytest.raises(BadInput, match="finished `raysep train`"):
        run(str(tmp_path), tmp_path / "song.wav", out=tmp_path / "out")
