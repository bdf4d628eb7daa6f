"""Small separators and audio for the tests of this folder."""

import numpy as np
import pytest
import torch

from raysep.separators.registry import build

RATE = 8000
STEMS = ("vocals", "drums", "bass", "other")


def make_network(seed: int = 0, stems=STEMS, channels: int = 1, model: str = "openunmix-joint"):
    torch.manual_seed(seed)
    sizes = {
        "stems": stems,
        "sample_rate": RATE,
        "channels": channels,
        "n_fft": 128,
        "hop": 64,
        "hidden": 8,
        "layers": 1,
    }
    network = build(model, **sizes)
    network.set_input_statistics(0.1 * torch.randn(4, channels, RATE // 4))
    with torch.no_grad():  # away from the initial symmetry, so that no gradient is nearly zero
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter) * parameter.std(correction=0).clamp(min=0.1))
    return network.eval()


def make_segments(count: int, seed: int = 0, frames: int = RATE // 4, channels: int = 1, stems: int = len(STEMS)):
    """Mixtures ``(n, channel, time)`` and targets ``(n, stem, channel, time)``: noise, each stem in its own band."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(size=(count, stems, channels, frames)))
    band = np.linspace(0, 1, spectrum.shape[-1])
    centres = (np.arange(stems) + 0.5) / stems
    spectrum *= np.exp(-(((band - centres[:, None, None]) / 0.2) ** 2))
    gains = 10 ** rng.uniform(-1.5, -0.3, size=(count, stems, 1, 1))
    targets = torch.from_numpy(gains * np.fft.irfft(spectrum, frames)).float()
    return targets.sum(dim=1), targets


@pytest.fixture
def small_network():
    """``small_network(seed, stems, channels, model)`` makes an untrained separator in eval mode."""
    return make_network


@pytest.fixture
def segments():
    """``segments(count, seed, …)`` makes mixtures and targets."""
    return make_segments


@pytest.fixture
def network():
    return make_network()
