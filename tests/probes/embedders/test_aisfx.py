"""aiSFX against its publishers' own code (golden values) and against the published structure in plain layers."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from raysep.probes.embedders import shipped
from raysep.probes.embedders.aisfx import FILE, AiSfxEmbedder, mel_filters

GOLDEN = Path(__file__).parent / "golden"
ROUNDING = 2e-3  # of an embedding's length: what float16 kernels may move it by (measured: 1.1e-3)


@pytest.fixture(scope="module")
def embedder():
    return AiSfxEmbedder()


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "aisfx.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def audio():
    signal = runpy.run_path(str(GOLDEN / "make_golden.py"))["signal"]
    return torch.from_numpy(signal(44_100, 3.6))[None]


def unfused() -> nn.Sequential:
    """Ma and Lerch's embedding network up to the pooling, batch-norms as layers of their own."""
    tensors = load_file(shipped.FOLDER / FILE)
    layers, before = [], 1
    for number, width in enumerate((64, 128, 256, 512), 1):
        for half in (1, 2):
            convolution = nn.Conv2d(before, width, kernel_size=3, padding=1, bias=False)
            convolution.weight.data = tensors[f"conv_block{number}.conv{half}.weight"].float()
            norm = nn.BatchNorm2d(width)
            prefix = f"conv_block{number}.bn{half}."
            state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            norm.load_state_dict(state, strict=False)
            layers += [convolution, norm, nn.ReLU()]
            before = width
        if number < 4:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers).double().eval()


def test_spectra_are_essentias(embedder, golden, audio):
    np.testing.assert_allclose(embedder.spectra(audio)[0].numpy(), golden["spectra"], atol=2e-5)


def test_frames_are_the_packages(embedder, golden, audio):
    frames = embedder.embed(audio)[0].numpy()
    assert frames.shape == golden["embedded"].shape == (2, 512)
    for frame, expected in zip(frames, golden["embedded"], strict=True):
        assert np.linalg.norm(frame - expected) < ROUNDING * np.linalg.norm(expected)


@pytest.fixture(scope="module")
def published(golden):
    """Four patches, two of them noise, and what the published layers make of them in float64."""
    noise = torch.rand(2, 100, 96, generator=torch.Generator().manual_seed(0))
    patches = torch.cat([torch.from_numpy(np.stack([golden["spectra"][k : k + 100] for k in (0, 50)])), noise])
    with torch.no_grad():
        return patches, unfused()(patches[:, None].double()).mean(dim=3).amax(dim=2)


@torch.no_grad()
@pytest.mark.parametrize("way", ["plainly", "by_winograd"])
def test_the_layers_are_the_published_ones(embedder, published, way):
    patches, expected = published
    found = getattr(embedder, way)(patches).double()
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)
    assert ((found - expected).norm(dim=1) <= 1e-5 * expected.norm(dim=1)).all()


@torch.no_grad()
@settings(max_examples=6, deadline=None)
@given(chosen=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_a_patch_is_embedded_the_same_in_any_company_and_order(embedder, published, chosen):
    patches, expected = published
    found = embedder.embed_patches(patches[chosen]).double()
    assert ((found - expected[chosen]).norm(dim=1) <= 1e-5 * expected[chosen].norm(dim=1)).all()


def test_every_mel_band_sums_to_one_and_has_its_peak_in_order():
    filters = mel_filters()
    assert filters.shape == (1025, 96)
    np.testing.assert_allclose(filters.sum(axis=0), 1.0, rtol=1e-5)
    assert (np.diff(filters.argmax(axis=0)) > 0).all()
