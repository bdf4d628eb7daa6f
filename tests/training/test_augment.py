from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.separators.torchaudio_parts import functional, load
from raysep.training.augment import AUGMENTATIONS, GAIN, augmentation, varied


def targets(batch: int = 6, stems: int = 3, channels: int = 2, time: int = 2000) -> torch.Tensor:
    return torch.randn(batch, stems, channels, time, generator=torch.Generator().manual_seed(0))


def vary(names, x, seed=0):
    rng = np.random.default_rng(seed)
    x = x.clone()  # a module may work in place
    for module in augmentation(names):
        x = module(x, rng)
    return x


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_remix_moves_whole_stems_and_loses_none(seed):
    x = targets()
    mixed = vary(("remix",), x, seed)
    for stem in range(3):
        found = [next(i for i in range(6) if torch.equal(x[i, stem], one)) for one in mixed[:, stem]]
        assert sorted(found) == list(range(6))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_swap_and_polarity_undo_themselves(seed):
    x = targets()
    for name in ("swap", "polarity"):
        once = vary((name,), x, seed)
        assert torch.equal(vary((name,), once, seed), x)
        assert not torch.equal(once, x)


def test_gains_are_in_range_and_of_each_stem():
    x = torch.ones(400, 3, 2, 4)
    gains = vary(("gain",), x)
    assert torch.equal(gains, gains[..., :1, :1].expand_as(gains))
    values = gains[:, :, 0, 0].double().numpy()
    assert GAIN[0] <= values.min() < 0.26
    assert 1.24 < values.max() <= GAIN[1]
    assert np.abs(np.corrcoef(values.T) - np.eye(3)).max() < 0.2


@pytest.mark.parametrize("name", ["swap", "polarity"])
def test_half_of_the_stems_are_changed(name):
    x = targets(500, 2, 2, 3)
    changed = (vary((name,), x) != x).flatten(2).any(2).double().mean()
    assert 0.44 < changed < 0.56


def test_what_is_drawn_follows_from_the_generator_alone():
    x = targets()
    everything = tuple(AUGMENTATIONS)
    before = torch.get_rng_state()
    assert torch.equal(vary(everything, x, 3), vary(everything, x, 3))
    assert not torch.equal(vary(everything, x, 3), vary(everything, x, 4))
    assert torch.equal(before, torch.get_rng_state())


def tone(hertz: float, rate: int = 8000) -> torch.Tensor:
    return torch.sin(2 * torch.pi * hertz * torch.arange(8000) / rate).expand(40, 1, 1, -1).clone()


def pitches(x: torch.Tensor) -> np.ndarray:
    return x[:, 0, 0, 1000:7000].mul(torch.hann_window(6000)).abs().new_tensor(
        np.abs(np.fft.rfft(x[:, 0, 0, 1000:7000].numpy() * np.hanning(6000))).argmax(1) * 8000 / 6000
    ).numpy()  # fmt: skip


def test_pitch_moves_a_tone_by_semitones_and_keeps_its_length():
    x = tone(500.0)
    shifted = vary(("pitch",), x)
    assert shifted.shape == x.shape
    semitones = 12 * np.log2(pitches(shifted) / 500.0)
    assert np.abs(semitones - np.round(semitones)).max() < 0.1
    assert set(np.round(semitones)) <= {-2, -1, 0, 1, 2}
    assert 1 <= (np.round(semitones) != 0).sum() <= 16


STEPS = (-2, -1, 0, 1, 2)


def every_step(x: torch.Tensor) -> torch.Tensor:
    """``(stem, channel, time)`` by each of ``STEPS``: the generator's place is taken by one that draws them in turn."""
    drawn = SimpleNamespace(random=np.zeros, integers=lambda low, high, size: np.arange(low, high))
    (pitch,) = augmentation(("pitch",))
    return pitch(x.expand(len(STEPS), *x.shape), drawn)


def kernels(monkeypatch) -> list[int]:
    """Elements of each resampling kernel that torchaudio makes from here on. Refuses a large one before it is made."""
    module, sizes = load("torchaudio.functional.functional"), []
    make = module._get_sinc_resample_kernel

    def counted(orig_freq, new_freq, gcd, *rest):
        assert (orig_freq // gcd) * (new_freq // gcd) < 1e4, f"dense kernel from {orig_freq} to {new_freq} Hz"
        kernel, width = make(orig_freq, new_freq, gcd, *rest)
        sizes.append(kernel.numel())
        return kernel, width

    monkeypatch.setattr(module, "_get_sinc_resample_kernel", counted)
    return sizes


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_every_stem_moves_by_the_same_semitones_through_a_small_kernel(rate, monkeypatch):
    sizes = kernels(monkeypatch)
    hertz = np.array([440.0, 1000.0])
    stems = torch.sin(2 * torch.pi * torch.from_numpy(hertz)[:, None] * torch.arange(rate) / rate).float()
    shifted = every_step(stems[:, None].repeat(1, 2, 1))
    assert shifted.shape == (len(STEPS), 2, 2, rate)
    assert torch.equal(shifted[STEPS.index(0), :, 0], stems)

    middle = shifted[..., rate // 8 : -rate // 8].numpy()
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.shape[-1]), 4 * rate))  # padded: bins of 1/4 Hz
    cents = 1200 * np.log2(spectrum.argmax(-1) / 4 / hertz[:, None])  # (step, stem, channel)
    np.testing.assert_allclose(cents, np.broadcast_to(100 * np.array(STEPS)[:, None, None], cents.shape), atol=10)
    assert len(sizes) == 4
    assert max(sizes) < 1000


@pytest.mark.parametrize("time", [1, 100, 255, 1024, 2001])
def test_pitch_keeps_any_length(time):
    x = targets(1, 3, 2, time)[0]
    assert every_step(x).shape == (len(STEPS), 3, 2, time)


def test_pitch_leaves_a_click_in_its_place():
    click = torch.zeros(1, 1, 8000)
    click[..., 6000] = 1.0
    places = every_step(click).abs().argmax(-1).flatten()
    assert (places - 6000).abs().max() < 256  # a quarter of the vocoder's window


@pytest.mark.parametrize("steps", [-2, -1, 1, 2])
def test_pitch_agrees_with_torchaudios(steps):
    x = sum(torch.sin(2 * torch.pi * f * torch.arange(8000) / 8000) for f in (220.0, 440.0, 1310.0))[None]
    ours = every_step(x[None])[STEPS.index(steps), 0]
    # Only the ratio of its two rates matters: 1000 Hz bounds its kernel's size.
    theirs = functional().pitch_shift(x, 1000, steps, n_fft=1024)
    a, b = (torch.stft(y, 1024, window=torch.hann_window(1024), return_complex=True).abs() for y in (ours, theirs))
    assert torch.cosine_similarity(a.flatten(), b.flatten(), 0) > 0.85
    other = torch.stft(x, 1024, window=torch.hann_window(1024), return_complex=True).abs()
    assert torch.cosine_similarity(other.flatten(), b.flatten(), 0) < 0.5


def test_tempo_keeps_the_pitch_and_the_length():
    x = tone(500.0)
    changed = vary(("tempo",), x)
    assert changed.shape == x.shape
    assert np.abs(pitches(changed) - 500.0).max() < 5
    moved = (changed != x).flatten(1).any(1).sum()
    assert 1 <= moved <= 18
    # A click at three quarters of the time moves with the tempo.
    click = torch.zeros(40, 1, 1, 8000)
    click[..., 4000] = 1.0
    places = vary(("tempo",), click).abs().argmax(-1).flatten().numpy()
    assert ((places > 4000 / 1.13) & (places < 4000 / 0.87)).all()
    assert np.abs(places[places != 4000] - 4000).max() > 100


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(BadInput, match=r"echo: not known; choose from pitch, .*gain"):
        augmentation(("gain", "echo"))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_whose_a_stem_is_is_known_after_all_variations(seed):
    """The stems are constants, which gain, polarity and remix do not confuse: each has its own ratio of two channels."""
    levels = torch.arange(1.0, 19.0).reshape(6, 3)
    x = torch.stack([torch.ones(6, 3, 8), levels[..., None].expand(6, 3, 8)], dim=2)
    names = ("remix", "gain", "polarity")
    changed, owners = varied(x.clone(), levels.numpy(), augmentation(names), np.random.default_rng(seed))
    assert torch.equal(changed, vary(names, x, seed))
    np.testing.assert_allclose((changed[:, :, 1, 0] / changed[:, :, 0, 0]).numpy(), owners, rtol=1e-5)
