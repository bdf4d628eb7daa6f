from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.separators import registry
from raysep.separators.scnet import KERNELS, STRIDES, SCNetConfig, SDBlock, SULayer, bands, compressed, converted


@pytest.mark.parametrize(
    ("widths", "millions"), [((32, 64, 128), 10.58), ((64, 128, 256), 42.2)], ids=["SCNet", "SCNet-large"]
)
def test_the_published_sizes(widths, millions):
    with torch.device("meta"):
        network = registry.build("scnet", widths=widths)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, rel=1e-3)


@settings(max_examples=50, deadline=None)
@given(bins=st.integers(8, 3000))
def test_the_bands_hold_every_bin_once(bins):
    assert [b for start, end in bands(bins) for b in range(start, end)] == list(range(bins))


def test_published_bands():
    assert bands(2049) == [(0, 359), (359, 1162), (1162, 2049)]


@settings(max_examples=15, deadline=None)
@given(bins=st.integers(24, 200), frames=st.integers(1, 5))
def test_what_is_compressed_expands_to_the_same_bins(bins, frames):
    config = SCNetConfig(n_fft=512, hop=128, widths=(4,), compression=2)
    block, layer = SDBlock(2, 4, config), SULayer(4, 3)
    x = torch.randn(1, 2, bins, frames)
    mixed, skip = block(x)
    expected = sum(
        compressed(e - s, stride, k) for (s, e), stride, k in zip(bands(bins), STRIDES, KERNELS, strict=True)
    )
    assert mixed.shape == skip.shape == (1, 4, expected, frames)
    assert layer(mixed, skip, bins).shape == (1, 3, bins, frames)


@settings(max_examples=20, deadline=None)
@given(frames=st.integers(1, 20).map(lambda half: 2 * half), seed=st.integers(0, 1000))
def test_feature_conversion_is_undone(frames, seed):
    x = torch.randn(2, 3, 4, frames, generator=torch.Generator().manual_seed(seed))
    there = converted(x, back=False)
    assert there.shape == (2, 6, 4, frames // 2 + 1)
    torch.testing.assert_close(converted(there, back=True), x, rtol=1e-5, atol=1e-5)


def test_the_window_is_the_one_that_is_asked_for():
    windows = [
        registry.build(
            "scnet", n_fft=256, hop=64, widths=(4,), compression=2, dual_path_layers=2, window=w
        ).transform.window
        for w in ("rectangular", "hann")
    ]
    assert torch.equal(windows[0], torch.ones(256))
    assert torch.equal(windows[1], torch.hann_window(256))


@pytest.mark.parametrize(
    "change", [{"widths": (2,)}, {"dual_path_layers": 3}, {"kernel": 2}, {"n_fft": 64, "hop": 16}, {"window": "kaiser"}]
)
def test_what_cannot_be_built_is_refused(change):
    with pytest.raises(BadInput, match=next(iter(change))):
        registry.build("scnet", **{"n_fft": 512, "hop": 128, "sample_rate": 8000} | change)
