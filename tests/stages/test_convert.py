"""Folders of the openunmix package to checkpoints and back; the numbers are tests/separators/test_umx.py's."""

from __future__ import annotations

import json

import pytest
import torch

from raysep.errors import BadInput
from raysep.separators import checkpoint, registry, umx
from raysep.stages.convert import convert


@pytest.fixture
def folder(tmp_path):
    """A model folder as the package writes it, and the network it came from."""
    torch.manual_seed(0)
    network = registry.build(
        "openunmix", stems=("bass", "vocals"), sample_rate=8000, n_fft=128, hop=32, hidden=8, padding="reflect"
    )
    name, arguments = registry.describe(network)
    files = umx.to_umx(checkpoint.Checkpoint(name, arguments, network.state_dict(), None, 0, {}))
    for file, data in files.items():
        (tmp_path / "umx").mkdir(exist_ok=True)
        (tmp_path / "umx" / file).write_bytes(data)
    return tmp_path / "umx", network


def test_a_folder_becomes_a_checkpoint_and_a_folder_again(folder, tmp_path):
    path, network = folder
    target = tmp_path / "umx.safetensors"
    assert convert(str(path), str(target)) == [str(target)]
    loaded = checkpoint.network_of(checkpoint.from_bytes(target.read_bytes(), str(target)))
    mixture = torch.randn(1, 2, 4000)
    with torch.no_grad():
        torch.testing.assert_close(loaded.eval()(mixture), network.eval()(mixture))
    written = convert(str(target), str(tmp_path / "back"))
    assert {p.rsplit("/", 1)[1] for p in written} >= {"bass.pth", "vocals.pth", "separator.json"}
    assert json.loads((tmp_path / "back" / "separator.json").read_text())["nfft"] == 128


def test_nothing_that_is_there_is_lost(folder, tmp_path):
    path, _ = folder
    target = tmp_path / "umx.safetensors"
    target.write_bytes(b"precious")
    with pytest.raises(BadInput, match=r"umx\.safetensors: exists already"):
        convert(str(path), str(target))
    assert target.read_bytes() == b"precious"
    convert(str(path), str(target), overwrite=True)
    assert target.read_bytes() != b"precious"


def test_wrong_places_are_named(folder, tmp_path):
    path, _ = folder
    with pytest.raises(BadInput, match="name that ends in"):
        convert(str(path), str(tmp_path / "out"))
    with pytest.raises(BadInput, match="no such folder"):
        convert(str(tmp_path / "nowhere"), str(tmp_path / "x.safetensors"))
    with pytest.raises(BadInput, match="no such file"):
        convert(str(tmp_path / "no.safetensors"), str(tmp_path / "out"))
    with pytest.raises(BadInput, match="give a folder"):
        convert(str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors"))
