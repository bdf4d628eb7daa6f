"""The mel filter bank against torchaudio's, where it has the kind, and against the triangles written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.audio import mel

KINDS = [
    ("htk", mel.HTK, None, "height"),
    ("slaney", mel.SLANEY, None, "height"),
    ("slaney", mel.SLANEY, "slaney", "area"),
]


@pytest.mark.parametrize(("theirs", "scale", "their_norm", "norm"), KINDS)
@pytest.mark.parametrize(
    ("rate", "n_fft", "mels", "span"), [(16_000, 512, 64, (125.0, 7500.0)), (44_100, 4096, 96, None)]
)
def test_straight_over_hertz_it_is_torchaudios(theirs, scale, their_norm, norm, rate, n_fft, mels, span):
    from raysep.separators.torchaudio_parts import functional

    low, high = span or (0.0, rate / 2)
    expected = functional().melscale_fbanks(n_fft // 2 + 1, low, high, mels, rate, their_norm, theirs).T.numpy()
    found = mel.filters(rate, n_fft, mels, span, scale=scale, norm=norm)
    np.testing.assert_allclose(found, expected, atol=2e-4 * expected.max())  # theirs is computed in float32


@pytest.mark.parametrize(("scale", "hertz", "place"), [(mel.HTK, 700.0, 781.17), (mel.SLANEY, 6400.0, 42.0)])
def test_known_places_on_the_scales(scale, hertz, place):
    """2595 log10 2, and 15 + 27: a factor of 6.4 above 1 kHz."""
    assert float(scale.mel(np.array(hertz))) == pytest.approx(place, abs=5e-3)


@given(st.sampled_from([mel.HTK, mel.SLANEY]), st.floats(0.0, 96_000.0))
def test_a_scale_leads_back_to_where_one_came_from(scale, hertz):
    assert float(scale.hertz(scale.mel(np.array(hertz)))) == pytest.approx(hertz, abs=1e-8)


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from([8000, 16_000, 22_050, 44_100, 48_000]),
    st.sampled_from([512, 2048]),
    st.integers(8, 96),
    st.sampled_from([mel.HTK, mel.SLANEY]),
    st.sampled_from(["hertz", "mel"]),
)
def test_each_filter_is_a_triangle_between_its_neighbours_peaks(rate, n_fft, mels, scale, straight):
    corners = np.linspace(*scale.mel(np.array([40.0, 0.45 * rate])), mels + 2)
    places = np.arange(n_fft // 2 + 1) * rate / n_fft
    if straight == "mel":
        places = scale.mel(places)
    else:
        corners = scale.hertz(corners)
    expected = [np.interp(places, corners[k : k + 3], [0.0, 1.0, 0.0]) for k in range(mels)]
    found = mel.filters(rate, n_fft, mels, (40.0, 0.45 * rate), scale=scale, straight=straight)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(8000, 48_000), st.sampled_from([mel.HTK, mel.SLANEY]), st.sampled_from(["hertz", "mel"]))
def test_neighbours_share_every_bin_between_the_first_and_the_last_peak(rate, scale, straight):
    found = mel.filters(rate, 1024, 40, scale=scale, straight=straight)
    peaks = scale.hertz(np.linspace(*scale.mel(np.array([0.0, rate / 2])), 42))[[1, -2]]
    bins = np.arange(513) * rate / 1024
    between = (bins > peaks[0]) & (bins < peaks[1])
    np.testing.assert_allclose(found.sum(axis=0)[between], 1.0, atol=1e-5)


def test_area_and_sum():
    areas = mel.filters(16_000, 1 << 16, 40, norm="area").sum(axis=1) * 16_000 / (1 << 16)
    np.testing.assert_allclose(areas, 1.0, rtol=1e-4)
    sums = mel.filters(44_100, 2048, 96, straight="mel", norm="sum").sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, rtol=1e-6)


def test_an_empty_filter_takes_the_bin_next_to_its_peak():
    plain, filled = (mel.filters(16_000, 512, 200, (30.0, 8000.0), fill=fill) for fill in (False, True))
    empty = np.flatnonzero(plain.sum(axis=1) == 0.0)
    assert len(empty)
    peaks = mel.HTK.hertz(np.linspace(*mel.HTK.mel(np.array([30.0, 8000.0])), 202))[1:-1]
    np.testing.assert_array_equal(filled[empty].argmax(axis=1), np.rint(peaks[empty] / (16_000 / 512)))
    np.testing.assert_array_equal(filled[empty].sum(axis=1), 1.0)
    np.testing.assert_array_equal(np.delete(filled, empty, axis=0), np.delete(plain, empty, axis=0))
