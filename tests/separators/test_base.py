from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.separators.base import bin_statistics, bins_below, ratio_mask


@settings(max_examples=30, deadline=None)
@given(stems=st.integers(2, 5), seed=st.integers(0, 1000), scale=st.floats(1e-9, 1e6), silent=st.booleans())
def test_ratio_masks_are_shares(stems, seed, scale, silent):
    estimates = torch.rand(2, stems, 1, 3, 4, generator=torch.Generator().manual_seed(seed)) * scale
    if silent:
        estimates[:, :, :, 0] = 0.0
    mask = ratio_mask(estimates, torch.zeros(2, 1, 3, 4))
    assert mask.min() >= 0
    assert mask.max() <= 1
    torch.testing.assert_close(mask.sum(1), torch.ones(2, 1, 3, 4))
    if silent:
        torch.testing.assert_close(mask[:, :, :, 0], torch.full((2, stems, 1, 4), 1 / stems))


def test_a_lone_stems_mask_is_its_estimate_over_the_mixture():
    mask = ratio_mask(
        torch.tensor([0.0, 1.0, 3.0]).reshape(1, 1, 1, 3, 1), torch.tensor([2.0, 2.0, 2.0]).reshape(1, 1, 3, 1)
    )
    assert mask.flatten().tolist() == [0.0, 0.5, 1.0]


def test_bin_statistics_are_numpys_with_a_floor():
    magnitudes = torch.rand(3, 2, 5, 7)
    magnitudes[:, :, 4] = 0.0
    mean, deviation = bin_statistics(magnitudes)
    values = magnitudes.numpy().transpose(2, 0, 1, 3).reshape(5, -1)
    np.testing.assert_allclose(mean, values.mean(1), rtol=1e-5)
    np.testing.assert_allclose(deviation[:4], values.std(1)[:4], rtol=1e-5)
    assert float(deviation[4]) == pytest.approx(1e-4 * values.std(1).max(), rel=1e-5)


@pytest.mark.parametrize(
    ("hertz", "expected"), [(None, 2049), (16000.0, 1487), (1e9, 2049), (0.0, 1)], ids=["all", "umxhq", "above", "zero"]
)
def test_bins_below(hertz, expected):
    assert bins_below(hertz, 44100, 4096) == expected
