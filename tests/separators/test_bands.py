from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from raysep.separators.bands import BandSplit, MaskEstimator, RMSNorm

WIDTHS = [4, 12, 8]


@given(level=st.integers(-9, 3), width=st.integers(1, 40), seed=st.integers(0, 1000))
def test_a_quiet_vector_is_normalised_as_a_loud_one(level, width, seed):
    x = torch.randn(3, width, generator=torch.Generator().manual_seed(seed))
    x *= 10.0**level / x.square().mean(dim=-1, keepdim=True).sqrt()  # at its least a thousand times the floor
    norm = RMSNorm(width)
    with torch.no_grad():
        norm.gamma.copy_(torch.linspace(0.5, 2.0, width))
        torch.testing.assert_close(norm(x), F.normalize(x, dim=-1) * width**0.5 * norm.gamma, rtol=1e-5, atol=1e-6)


def test_silence_stays_silence_with_a_gradient():
    norm = RMSNorm(5)
    y = norm(torch.zeros(2, 5))
    y.sum().backward()
    assert not y.any()
    assert not norm.gamma.grad.any()


def test_under_autocast_the_norm_is_single():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert RMSNorm(5)(torch.randn(2, 5).bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("changed", range(3))
def test_features_of_a_band_are_of_its_values_alone(changed):
    torch.manual_seed(0)
    split = BandSplit(6, WIDTHS)
    x = torch.randn(2, 5, sum(WIDTHS))
    start = sum(WIDTHS[:changed])
    other = x.clone()
    other[..., start : start + WIDTHS[changed]] += torch.randn(WIDTHS[changed])
    with torch.no_grad():
        moved = (split(x) - split(other)).abs().amax(dim=(0, 1, 3))  # (band,)
    assert split(x).shape == (2, 5, 3, 6)
    assert [bool(m) for m in moved > 0] == [band == changed for band in range(3)]


@pytest.mark.parametrize("hidden", [[], [10], [10, 7]])
def test_a_mask_is_a_gated_perceptron_of_its_band(hidden):
    torch.manual_seed(0)
    estimator = MaskEstimator(6, WIDTHS, hidden)
    x = torch.randn(2, 5, 3, 6)
    expected = []
    for band, width in enumerate(WIDTHS):
        y, sizes = x[:, :, band], [6, *hidden, 2 * width]
        for layer in range(len(hidden) + 1):
            linear = estimator.to_freqs[band][0][2 * layer]
            assert linear.weight.shape == (sizes[layer + 1], sizes[layer])
            y = y @ linear.weight.T + linear.bias
            y = y.tanh() if layer < len(hidden) else y
        expected.append(y[..., :width] * torch.sigmoid(y[..., width:]))
    torch.testing.assert_close(estimator(x), torch.cat(expected, dim=-1))
