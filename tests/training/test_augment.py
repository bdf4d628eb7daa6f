from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.training.augment import AUGMENTATIONS, GAIN, augmentation


def targets(batch: int = 6, stems: int = 3, channels: int = 2, time: int = 2000) -> torch.Tensor:
    return torch.randn(batch, stems, channels, time, generator=torch.Generator().manual_seed(0))


def vary(names, x, seed=0):
    rng = np.random.default_rng(seed)
    x = x.clone()  # a module may work in place
    for module in augmentation(names, 8000):
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
        augmentation(("gain", "echo"), 8000)
