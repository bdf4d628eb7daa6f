from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.separators.spectrogram import Spectrogram, magnitude


@settings(max_examples=40, deadline=None)
@given(
    n_fft=st.sampled_from([16, 64, 128]),
    hop=st.integers(1, 64),
    time=st.integers(1, 700),
    leading=st.sampled_from([(), (2,), (2, 3)]),
    seed=st.integers(0, 1000),
)
def test_the_inverse_is_exact_for_any_length_and_hop(n_fft, hop, time, leading, seed):
    hop = min(hop, n_fft // 2)
    spectrogram = Spectrogram(n_fft, hop)
    audio = torch.randn(*leading, time, generator=torch.Generator().manual_seed(seed))
    spectrum = spectrogram(audio)
    assert spectrum.shape == (*leading, n_fft // 2 + 1, spectrogram.frames(time))
    torch.testing.assert_close(spectrogram.inverse(spectrum, time), audio, rtol=0, atol=1e-5)


@pytest.mark.parametrize("hop", [256, 512])
def test_it_is_the_librarys_transform(hop):
    audio = torch.randn(2, 10 * hop + 7)
    padded = torch.nn.functional.pad(audio, (0, hop - 7))
    expected = torch.stft(padded, 1024, hop, window=torch.hann_window(1024), pad_mode="constant", return_complex=True)
    torch.testing.assert_close(Spectrogram(1024, hop)(audio), expected)


def test_a_sine_has_a_quarter_of_the_window_as_its_magnitude():
    spectrogram = Spectrogram(256, 64)
    audio = torch.from_numpy(np.sin(2 * np.pi * 10 * np.arange(2560) / 256)).float()
    spectrum = magnitude(spectrogram(audio))
    assert float(spectrum[10, 20]) == pytest.approx(64.0, rel=1e-4)
    assert int(spectrum[:, 20].argmax()) == 10


def test_the_inverse_is_linear_in_a_mask():
    spectrogram = Spectrogram(128, 32)
    audio = torch.randn(3, 1000)
    spectrum = spectrogram(audio)
    mask = torch.rand(spectrum.shape)
    parts = spectrogram.inverse(mask * spectrum, 1000) + spectrogram.inverse((1 - mask) * spectrum, 1000)
    torch.testing.assert_close(parts, audio, rtol=0, atol=1e-5)


def test_magnitude_is_the_absolute_value():
    spectrum = torch.randn(4, 5, dtype=torch.complex64)
    torch.testing.assert_close(magnitude(spectrum), spectrum.abs())


def test_what_cannot_be_transformed_is_refused():
    with pytest.raises(ValueError, match="hop"):
        Spectrogram(64, 33)
    with pytest.raises(ValueError, match="even"):
        Spectrogram(63, 16)
    with pytest.raises(ValueError, match="frames"):
        Spectrogram(64, 16).inverse(torch.zeros(33, 5, dtype=torch.complex64), 1000)
