from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.errors import BadInput
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
    with pytest.raises(BadInput, match="zero, reflect"):
        Spectrogram(64, 16, "mirror")
    with pytest.raises(BadInput, match="hann, rectangular"):
        Spectrogram(64, 16, window="hamming")
    with pytest.raises(BadInput, match="quarter"):
        Spectrogram(64, 17, "reflect")


# Mirrored ends


@settings(max_examples=40, deadline=None)
@given(
    n_fft=st.sampled_from([16, 64, 128]),
    hop=st.integers(1, 32),
    time=st.integers(1, 700),
    leading=st.sampled_from([(), (2,), (2, 3)]),
    seed=st.integers(0, 1000),
)
def test_with_mirrored_ends_too_the_inverse_is_exact_to_the_last_sample(n_fft, hop, time, leading, seed):
    spectrogram = Spectrogram(n_fft, min(hop, n_fft // 4), "reflect")
    audio = torch.randn(*leading, time, generator=torch.Generator().manual_seed(seed))
    spectrum = spectrogram(audio)
    assert spectrum.shape == (*leading, n_fft // 2 + 1, spectrogram.frames(time))
    torch.testing.assert_close(spectrogram.inverse(spectrum, time), audio, rtol=0, atol=1e-5)


@pytest.mark.parametrize("time", [513, 2560, 2815])
def test_with_mirrored_ends_it_is_the_librarys_centred_transform(time):
    audio = torch.randn(2, time, generator=torch.Generator().manual_seed(0))
    expected = torch.stft(audio, 1024, 256, window=torch.hann_window(1024), pad_mode="reflect", return_complex=True)
    spectrogram = Spectrogram(1024, 256, "reflect")
    assert spectrogram.frames(time) == 1 + time // 256 == expected.shape[-1]
    torch.testing.assert_close(spectrogram(audio), expected)


@pytest.mark.parametrize("padding", ["zero", "reflect"])
def test_a_masked_tail_is_not_amplified(padding):
    """The worst length: all but a whole hop beyond the last frame's centre."""
    spectrogram = Spectrogram(1024, 256, padding)
    time = 1024 * 4 + 255
    audio = torch.randn(time, generator=torch.Generator().manual_seed(0))
    spectrum = spectrogram(audio)
    mask = torch.rand(spectrum.shape, generator=torch.Generator().manual_seed(1))
    assert spectrogram.inverse(mask * spectrum, time)[-256:].abs().max() < audio.abs().max()


# Precision


@pytest.mark.parametrize("padding", ["zero", "reflect"])
def test_autocast_changes_no_bit_of_it(padding):
    spectrogram = Spectrogram(128, 32, padding)
    audio = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0))
    spectrum = spectrogram(audio)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(spectrogram(audio), spectrum)
        again = spectrogram.inverse(spectrum, 1000)
        widened = spectrogram(audio.bfloat16())
    assert torch.equal(again, spectrogram.inverse(spectrum, 1000))
    assert torch.equal(widened, spectrogram(audio.bfloat16().float()))


def test_a_floor_bounds_the_slope_at_zero():
    spectrum = torch.zeros(3, dtype=torch.complex64, requires_grad=True)
    magnitude(spectrum, 1e-8).sum().backward()
    assert torch.equal(spectrum.grad, torch.zeros(3, dtype=torch.complex64))


def test_only_equal_transforms_are_of_one_kind():
    made = [Spectrogram(64, 16), Spectrogram(64, 8), Spectrogram(128, 16)]
    made += [Spectrogram(64, 16, "reflect"), Spectrogram(64, 16, window="rectangular")]
    assert len({transform.kind for transform in made}) == len(made)
    assert made[0].kind == Spectrogram(64, 16).kind


@pytest.mark.parametrize("floor", [0.0, 1e-3])
def test_magnitude_is_one_number_with_and_without_a_gradient_or_inside_a_transform(floor):
    """Three ways through the code. Memory stays as it lies, or what is compared with it would be read across."""
    spectrum = Spectrogram(64, 16)(torch.randn(3, 2, 500, generator=torch.Generator().manual_seed(0)))
    plain = magnitude(spectrum, floor)
    torch.testing.assert_close(plain, magnitude(spectrum.clone().requires_grad_(), floor).detach())
    torch.testing.assert_close(plain, torch.func.vmap(lambda each: magnitude(each, floor))(spectrum))
    assert plain.stride() == spectrum.stride()
