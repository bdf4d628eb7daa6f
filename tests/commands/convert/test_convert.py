"""Folders of the openunmix package to checkpoints and back, as files. The package itself is the oracle.

Numbers at full detail (filters, residual, magnitudes) are tests/separators/test_umx.py's.
"""

from __future__ import annotations

import json

import pytest
import torch

from raysep.commands.convert.convert import convert
from raysep.corpus import storage
from raysep.errors import BadInput
from raysep.separators import checkpoint, registry
from raysep.separators.torchaudio_parts import models

TARGETS = ["bass", "vocals"]
SETTINGS = {"nfft": 128, "nhop": 32, "nb_channels": 2}


@pytest.fixture(scope="module")
def package():
    """(openunmix.model, openunmix.utils); the package imports torchaudio, which here may need help."""
    models()
    return pytest.importorskip("openunmix.model"), pytest.importorskip("openunmix.utils")


@pytest.fixture
def folder(package, tmp_path):
    """A model folder as the package's training script leaves it, with the training's own checkpoint in it."""
    torch.manual_seed(0)
    root = tmp_path / "umx"
    root.mkdir()
    for target in TARGETS:
        network = package[0].OpenUnmix(nb_bins=65, nb_channels=2, hidden_size=8, nb_layers=3, max_bin=50)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        torch.save(network.state_dict(), root / f"{target}.pth")
        torch.save({"epoch": 3, "optimizer": {}}, root / f"{target}.chkpnt")
        (root / f"{target}.json").write_text(json.dumps({"args": SETTINGS | {"hidden_size": 8}}))
    (root / "separator.json").write_text(json.dumps(SETTINGS | {"sample_rate": 8000.0}))
    return root


@pytest.fixture
def ours(tmp_path):
    """A checkpoint of raysep's own, of the given network."""

    def write(model: str, **arguments) -> str:
        torch.manual_seed(1)
        sizes = {"n_fft": 128, "hop": 32} | ({"hidden": 8} if model.startswith("openunmix") else {})
        network = registry.build(model, stems=TARGETS, sample_rate=8000, **sizes | arguments)
        name, settings = registry.describe(network)
        path = tmp_path / f"{model}.safetensors"
        path.write_bytes(checkpoint.to_bytes(checkpoint.Checkpoint(name, settings, network.state_dict())))
        return str(path)

    return write


def mixture() -> torch.Tensor:
    return 0.2 * torch.randn(1, 2, 4001, generator=torch.Generator().manual_seed(2))


def separated(path: str) -> torch.Tensor:
    with torch.no_grad():
        network = checkpoint.network_of(checkpoint.from_bytes(storage.read_bytes(path), path))
        return network.separate(mixture(), "wiener")


def separated_by(package, root) -> torch.Tensor:
    separator = package[1].load_separator(str(root), targets=TARGETS, niter=1)
    separator.freeze()
    with torch.no_grad():
        return separator(mixture())


def test_a_folder_of_the_package_becomes_a_checkpoint_that_separates_alike(package, folder, tmp_path):
    target = str(tmp_path / "umx.safetensors")
    assert convert(str(folder), target) == [target]
    expected = separated_by(package, folder)
    assert expected.abs().max() > 0.05
    torch.testing.assert_close(separated(target), expected, rtol=0, atol=1e-6)


def test_a_checkpoint_becomes_a_folder_that_the_package_loads(package, ours, tmp_path):
    source, back = ours("openunmix", padding="reflect", max_bin_hz=3000.0), tmp_path / "back"
    written = convert(source, str(back))
    assert sorted(written) == sorted(str(path) for path in back.iterdir())
    assert {path.name for path in back.iterdir()} == {
        "separator.json", "bass.pth", "bass.json", "vocals.pth", "vocals.json"
    }  # fmt: skip
    torch.testing.assert_close(separated_by(package, back), separated(source), rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", ["bs-roformer", "mel-band-roformer"])
def test_a_roformer_goes_to_a_folder_of_msst_and_comes_back(model, ours, small_arguments, tmp_path):
    source, folder, again = (
        ours(model, **small_arguments(model)),
        tmp_path / "msst",
        str(tmp_path / "again.safetensors"),
    )
    assert sorted(convert(source, str(folder))) == sorted(str(path) for path in folder.iterdir())
    assert {path.suffix for path in folder.iterdir()} == {".yaml", ".ckpt"}
    convert(str(folder), again)
    assert torch.equal(separated(again), separated(source))


def test_both_places_may_be_in_an_object_store(folder, tmp_path, s3_server):
    import boto3

    boto3.client("s3").create_bucket(Bucket="models")
    for path in folder.iterdir():
        storage.write_bytes(f"s3://models/umx/{path.name}", path.read_bytes())
    convert("s3://models/umx", "s3://models/umx.safetensors")
    convert(str(folder), str(tmp_path / "local.safetensors"))
    assert storage.read_bytes("s3://models/umx.safetensors") == (tmp_path / "local.safetensors").read_bytes()


def test_nothing_that_is_there_is_lost(folder, ours, tmp_path):
    target = tmp_path / "umx.safetensors"
    target.write_bytes(b"precious")
    with pytest.raises(BadInput, match=r"umx\.safetensors: exists already"):
        convert(str(folder), str(target))
    assert target.read_bytes() == b"precious"
    convert(str(folder), str(target), overwrite=True)
    assert target.read_bytes() != b"precious"

    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "vocals.pth").write_bytes(b"sung")
    with pytest.raises(BadInput, match=r"back/vocals\.pth: exists already"):
        convert(ours("openunmix", padding="reflect"), str(tmp_path / "back"))
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["vocals.pth"]
    assert (tmp_path / "back" / "vocals.pth").read_bytes() == b"sung"


@pytest.mark.parametrize(
    ("source", "out", "message"),
    [
        ("umx", "out", r"/out: .*name that ends in \.safetensors"),
        ("nowhere", "x.safetensors", "/nowhere: no such folder"),
        ("no.safetensors", "out", r"/no\.safetensors: no such file"),
        ("a.safetensors", "b.safetensors", r"/b\.safetensors: .*give a folder"),
    ],
)
def test_wrong_places_are_named(folder, tmp_path, source, out, message):
    with pytest.raises(BadInput, match=message):
        convert(str(tmp_path / source), str(tmp_path / out))


def test_what_is_wrong_inside_is_named_with_its_place(folder, ours, tmp_path):
    target = str(tmp_path / "x.safetensors")
    (folder / "bass.pth").write_bytes(b"no tensors")
    with pytest.raises(BadInput, match=r"/umx: bass\.pth: not a state of tensors"):
        convert(str(folder), target)
    (folder / "separator.json").unlink()
    with pytest.raises(BadInput, match=r"/umx: separator\.json is missing"):
        convert(str(folder), target)
    (tmp_path / "noise.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BadInput, match=r"/noise\.safetensors: not a raysep checkpoint"):
        convert(str(tmp_path / "noise.safetensors"), str(tmp_path / "out"))
    with pytest.raises(BadInput, match=r"/openunmix-joint\.safetensors: .*knows only its own network"):
        convert(ours("openunmix-joint"), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "x.safetensors").exists()
