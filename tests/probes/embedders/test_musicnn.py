"""musicnn against its publishers' own graph under TensorFlow (golden values) and against its structure, layer by layer."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from raysep.probes.embedders.musicnn import MusicnnEmbedder, mel_filters, tensor_shapes

GOLDEN = Path(__file__).parent / "golden"
ROUNDING = 1e-3  # of an embedding's length: what float16 kernels may move it by (measured: 4e-4)


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "musicnn.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def audio():
    signal = runpy.run_path(str(GOLDEN / "make_golden.py"))["signal"]
    return torch.from_numpy(signal(16_000, 4.6))[None]


def test_spectra_are_librosas(golden, audio):
    np.testing.assert_allclose(MusicnnEmbedder().spectra(audio)[0].numpy(), golden["spectra"], atol=1e-4)


def test_frames_are_the_packages(golden, audio):
    frames = MusicnnEmbedder().embed(audio)[0].numpy()
    assert frames.shape == golden["embedded"].shape == (2, 200)
    for frame, expected in zip(frames, golden["embedded"], strict=True):
        assert np.linalg.norm(frame - expected) < ROUNDING * np.linalg.norm(expected)


def random_tensors() -> dict[str, torch.Tensor]:
    """Weights of the network's shapes; half of the batch-norms' gains are negative."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in tensor_shapes().items():
        fan_in = int(np.prod(shape[1:]))
        tensors[name] = torch.randn(shape, generator=generator) / fan_in**0.5
        if name.endswith("running_var"):
            tensors[name] = 0.5 + torch.rand(shape, generator=generator)
    return tensors


def by_the_book(tensors: dict[str, torch.Tensor], patches: torch.Tensor) -> torch.Tensor:
    """Pons and Serra's network as they draw it, float64: ReLU, batch-norm, then the maximum over frequency."""
    t = {name: tensor.double() for name, tensor in tensors.items()}

    def norm(x, k):
        name = f"batch_normalization_{k}" if k else "batch_normalization"
        parts = (t[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts, eps=1e-3)

    def convolved(x, k, before, after):
        name = f"conv2d_{k}" if k else "conv2d"
        x = functional.conv2d(functional.pad(x, (0, 0, before, after)), t[f"{name}.weight"], t[f"{name}.bias"])
        return norm(functional.relu(x), k + 1)

    x = norm(patches.double()[:, None], 0)
    padding = [(3, 3), (3, 3), (63, 64), (31, 32), (15, 16)]
    front = torch.cat([convolved(x, k, *p).amax(dim=3) for k, p in enumerate(padding)], dim=1)  # (patch, channel, time)
    first = convolved(front.transpose(1, 2)[:, None], 5, 3, 3).squeeze(3)
    second = convolved(first.transpose(1, 2)[:, None], 6, 3, 3).squeeze(3) + first
    third = convolved(second.transpose(1, 2)[:, None], 7, 3, 3).squeeze(3) + second
    x = torch.cat([front, first, second, third], dim=1)
    pooled = torch.stack([x.max(dim=2).values, x.mean(dim=2)], dim=-1).flatten(1)
    return norm(functional.relu(functional.linear(norm(pooled, 9), t["dense.weight"], t["dense.bias"])), 10)


def test_the_network_is_the_one_in_the_book_whatever_its_weights(tmp_path):
    tensors = random_tensors()
    save_file(tensors, tmp_path / "random.safetensors")
    patches = torch.rand(3, 187, 96, generator=torch.Generator().manual_seed(1)) * 4
    with torch.inference_mode():
        found = MusicnnEmbedder(str(tmp_path / "random.safetensors")).embed_patches(patches)
        expected = by_the_book(tensors, patches)
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)


def test_loud_bands_stay_finite():
    """At full scale the published float16 spectra overflow."""
    audio = torch.sin(2 * torch.pi * 440.0 * torch.arange(60_000) / 16_000)[None]
    assert MusicnnEmbedder().embed(audio).isfinite().all()


def test_mel_bands_have_area_one():
    filters = mel_filters()
    assert filters.shape == (257, 96)
    # Low bands are narrower than a few bins, where a sum is no area.
    np.testing.assert_allclose(filters[:, 60:].sum(axis=0) * 16_000 / 512, 1.0, rtol=0.05)
