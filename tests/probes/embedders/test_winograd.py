"""The convolution with fewer multiplications against the plain one in float64, for pictures of every size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from raysep.probes.embedders import winograd
from raysep.probes.embedders.winograd import Picture, at_points, axis, blank, convolve, first_layer

SIZES = st.integers(2, 15)
WIDTHS = st.integers(1, 9)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def picture_of(patches: torch.Tensor) -> Picture:
    """``(patch, channel, row, column)`` in a frame of zeros."""
    count, channels, rows, columns = patches.shape
    picture = blank(rows, columns, count, channels)
    picture.framed.zero_()
    picture.inside.copy_(patches.permute(2, 3, 0, 1))
    return picture


def plainly(patches: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, halve: bool) -> torch.Tensor:
    found = functional.conv2d(patches.double(), weight.double(), bias.double(), padding=1).relu()
    return functional.max_pool2d(found, 2) if halve else found


def agree(found: Picture, expected: torch.Tensor) -> None:
    error = (found.inside.permute(2, 3, 0, 1).double() - expected).abs().max()
    assert error <= 1e-5 * expected.abs().max() + 1e-6


@given(
    st.lists(st.integers(-100, 100), min_size=6, max_size=6), st.lists(st.integers(-100, 100), min_size=3, max_size=3)
)
def test_along_one_axis_it_is_a_correlation(samples, taps):
    of_samples, of_taps, back = axis()
    found = back @ ((of_taps @ taps) * (of_samples @ samples))
    np.testing.assert_allclose(found, np.correlate(samples, taps, "valid"), atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(SIZES, SIZES, st.integers(1, 4), WIDTHS, WIDTHS, st.booleans(), st.integers(0, 99))
def test_it_is_the_convolution_of_every_size(rows, columns, count, inward, outward, halve, seed):
    patches, weight, bias = drawn(count, inward, rows, columns, seed=seed), drawn(outward, inward, 3, 3), drawn(outward)
    found = convolve(picture_of(patches), at_points(weight), bias, halve)
    agree(found, plainly(patches, weight, bias, halve))


@settings(max_examples=20, deadline=None)
@given(SIZES, SIZES, st.booleans())
def test_the_next_layer_sees_zeros_around_what_the_last_one_gave(rows, columns, halve):
    patches, first, second = drawn(2, 3, rows, columns), drawn(4, 3, 3, 3), drawn(5, 4, 3, 3)
    between = convolve(picture_of(patches), at_points(first), drawn(4, seed=1) + 1.0, halve)
    expected = plainly(plainly(patches, first, drawn(4, seed=1) + 1.0, halve), second, drawn(5, seed=2), False)
    agree(convolve(between, at_points(second), drawn(5, seed=2)), expected)


@pytest.mark.parametrize("halve", [False, True])
def test_parts_join_to_the_whole(halve, monkeypatch):
    picture, points, bias = picture_of(drawn(2, 3, 21, 9)), at_points(drawn(4, 3, 3, 3)), drawn(4)
    whole = convolve(picture, points, bias, halve).inside
    monkeypatch.setattr(winograd, "CACHE", 1)
    error = (convolve(picture, points, bias, halve).inside - whole).abs().max()
    assert error <= 1e-5 * whole.abs().max()


@settings(max_examples=20, deadline=None)
@given(SIZES, SIZES, st.integers(1, 4))
def test_the_first_layer_is_a_convolution_too(rows, columns, count):
    patches, weight, bias = drawn(count, rows, columns), drawn(7, 1, 3, 3), drawn(7)
    agree(first_layer(patches, weight, bias), plainly(patches[:, None], weight, bias, False))


def test_what_is_around_the_picture_is_zero():
    found = convolve(picture_of(drawn(1, 2, 5, 6)), at_points(drawn(3, 2, 3, 3)), torch.ones(3))
    found.inside.zero_()
    assert not found.framed.any()
