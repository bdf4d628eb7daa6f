from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raysep.separators.base import WaveformSeparator
from raysep.separators.own_output import own_output

RATE = 4000
SPLIT_HZ = 500.0


@dataclass(frozen=True)
class LowHighConfig:
    stems: tuple[str, ...] = ("high", "low")
    sample_rate: int = RATE
    channels: int = 2
    n_fft: int = 64
    hop: int = 16


class LowHigh(WaveformSeparator):
    """What lies above and below a frequency."""

    config_class = LowHighConfig

    def __init__(self) -> None:
        super().__init__(LowHighConfig())
        self.split = torch.nn.Parameter(torch.tensor(SPLIT_HZ))

    def waveforms(self, mixture):
        spectrum = torch.fft.rfft(mixture)
        above = torch.fft.rfftfreq(mixture.shape[-1], 1 / RATE) > self.split
        parts = [torch.fft.irfft(spectrum * mask, mixture.shape[-1]) for mask in (above, ~above)]
        return torch.stack(parts, dim=1)


def tone(hz: float, level: float, rate: int = RATE, seconds: float = 2.0, channels: int = 2) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return np.tile(level * np.sin(2 * np.pi * hz * time), (channels, 1)).astype(np.float32)


def test_what_comes_out_is_the_label_alone_and_its_share_that_of_the_energy():
    low, high = tone(200, 0.4), tone(1000, 0.2)
    audio, share = own_output(LowHigh(), low + high, "low", RATE)
    assert audio == pytest.approx(low, abs=1e-5)
    assert share == pytest.approx(0.4**2 / (0.4**2 + 0.2**2), abs=1e-5)
    assert own_output(LowHigh(), low, "low", RATE).share == pytest.approx(1.0)
    assert own_output(LowHigh(), low, "high", RATE).share == pytest.approx(0.0, abs=1e-6)


def test_the_stem_that_goes_in_is_not_changed_and_the_same_comes_out_each_time():
    stem = tone(200, 0.4) + tone(1000, 0.2)
    before = stem.copy()
    first = own_output(LowHigh(), stem, "low", RATE)
    again = own_output(LowHigh(), stem, "low", RATE)
    assert np.array_equal(stem, before)
    assert np.array_equal(first.audio, again.audio)


def test_what_the_network_cannot_hear_stays():
    """At 16 kHz a network of 4 kHz takes out what it takes for another label, and leaves what lies above 2 kHz."""
    low, high, above = tone(200, 0.4, 16000), tone(1000, 0.2, 16000), tone(5000, 0.1, 16000)
    audio, _ = own_output(LowHigh(), low + high + above, "low", 16000)
    inner = slice(4000, -4000)  # filters ring at the ends
    assert audio[:, inner] == pytest.approx((low + above)[:, inner], abs=2e-3)


@given(rate=st.sampled_from([RATE, 6000, 16000]), time=st.integers(1, 9000), channels=st.sampled_from([1, 2, 4]))
def test_it_is_of_the_stems_own_shape(rate, time, channels):
    audio = np.random.default_rng(time).uniform(-1, 1, (channels, time)).astype(np.float32)
    found, share = own_output(LowHigh(), audio, "high", rate)
    assert found.shape == audio.shape
    assert found.dtype == np.float32
    assert 0 <= share <= 1


def test_silence_has_no_share_and_stays_silence():
    audio, share = own_output(LowHigh(), np.zeros((2, RATE), np.float32), "low", RATE)
    assert share == 0
    assert not audio.any()


def test_a_label_that_the_network_does_not_know_is_refused():
    with pytest.raises(ValueError, match="'vocals': the network separates high, low"):
        own_output(LowHigh(), tone(200, 0.4), "vocals", RATE)
