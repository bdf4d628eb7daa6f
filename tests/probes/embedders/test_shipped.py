"""A weights file is whole and the one that was released, or the message names it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from raysep.errors import BadInput
from raysep.probes.embedders import aisfx, musicnn, shipped

MODULES = (aisfx, musicnn)
KINDS = {aisfx: aisfx.AiSfxEmbedder, musicnn: musicnn.MusicnnEmbedder}
SHAPES = {"a.weight": (2, 3), "a.bias": (2,)}


@pytest.fixture
def whole() -> bytes:
    return save({name: torch.ones(shape, dtype=torch.float16) for name, shape in SHAPES.items()})


@pytest.mark.parametrize("module", MODULES)
def test_what_ships_is_what_was_released(module):
    file = shipped.FOLDER / module.FILE
    assert hashlib.sha256(file.read_bytes()).hexdigest() == module.DIGEST
    assert f"`{module.FILE}` | `{module.DIGEST}`" in (shipped.FOLDER / "ATTRIBUTION.md").read_text()
    assert {k: tuple(t.shape) for k, t in load_file(file).items()} == module.tensor_shapes()
    assert KINDS[module]().weights_digest == module.DIGEST


def test_tensors_come_as_float32_with_the_files_digest(tmp_path, whole):
    (tmp_path / "own.safetensors").write_bytes(whole)
    tensors, digest = shipped.read("x.safetensors", "unused", SHAPES, str(tmp_path / "own.safetensors"))
    assert digest == hashlib.sha256(whole).hexdigest()
    assert {t.dtype for t in tensors.values()} == {torch.float32}


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "garbage", "other shape", "too many", "folder"])
def test_other_weights_are_refused_by_name(tmp_path, whole, damage):
    path = tmp_path / "own.safetensors"
    tensors = {name: torch.ones(shape) for name, shape in SHAPES.items()}
    made = {
        "empty": b"",
        "truncated": whole[:-3],
        "garbage": b"\xff" * 100,
        "other shape": save(tensors | {"a.bias": torch.ones(3)}),
        "too many": save(tensors | {"b": torch.ones(3)}),
    }
    if damage in made:
        path.write_bytes(made[damage])
    elif damage == "folder":
        path.mkdir()
    with pytest.raises(BadInput, match=r"own\.safetensors"):
        shipped.read("x.safetensors", "unused", SHAPES, str(path))


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_a_shipped_file_that_was_altered_is_refused(tmp_path, monkeypatch, whole, damage):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    if damage == "altered":
        (tmp_path / "x.safetensors").write_bytes(whole)
    with pytest.raises(BadInput, match=r"x\.safetensors.*install raysep again"):
        shipped.read("x.safetensors", "0" * 64, SHAPES)


@pytest.mark.parametrize("module", MODULES)
def test_the_other_embedders_weights_are_refused(module):
    (other,) = set(MODULES) - {module}
    with pytest.raises(BadInput, match=other.FILE):
        KINDS[module](str(shipped.FOLDER / other.FILE))


@pytest.mark.parametrize("module", MODULES)
def test_random_weights_give_another_embedding(tmp_path, module):
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: tensor[torch.randperm(len(tensor), generator=generator)]
        for name, tensor in load_file(shipped.FOLDER / module.FILE).items()
    }
    save_file(tensors, tmp_path / "random.safetensors")
    audio = 0.1 * torch.randn(1, 60_000, generator=generator)
    pretrained, random = KINDS[module](), KINDS[module](str(tmp_path / "random.safetensors"))
    assert pretrained.weights_digest != random.weights_digest
    first, second = (embedder.embed(audio).flatten() for embedder in (pretrained, random))
    assert (first - second).norm() > 0.1 * first.norm()


def test_batch_norm_is_torchs():
    layer = torch.nn.BatchNorm1d(5, eps=1e-3).double().eval()
    for tensor in (layer.weight.data, layer.bias.data, layer.running_mean):
        tensor.normal_(generator=torch.Generator().manual_seed(1))
    layer.running_var.uniform_(0.1, 2.0)
    scale, shift = shipped.batch_norm({f"n.{k}": v for k, v in layer.state_dict().items()}, "n", 1e-3)
    x = torch.randn(7, 5, dtype=torch.float64)
    torch.testing.assert_close(x * scale + shift, layer(x))


def test_the_folder_is_inside_the_package():
    assert Path(shipped.__file__).parent == shipped.FOLDER.parent
