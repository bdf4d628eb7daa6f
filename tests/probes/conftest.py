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


@pytest.fixture
def network_of_any_kind(small_arguments):
    """``network_of_any_kind(name)``: a network of the registry, a few steps into its training, in eval mode.

    Trained a little, since attribution reads trained networks: at its random start a network of waveforms puts out next
    to nothing, and the loss hardly depends on its weights.
    """

    def make(name: str):
        from raysep.training.loop import train
        from raysep.training.recipe import Recipe

        torch.manual_seed(1)
        network = build(name, **{"stems": STEMS, "sample_rate": RATE, "channels": 1} | small_arguments(name))
        mixtures, targets = make_segments(8, seed=9)
        network.set_input_statistics(mixtures)
        recipe = Recipe(
            steps=30,
            batch=8,
            segment_seconds=0.25,
            learning_rate=3e-3,
            warmup=1,
            augment=(),
            seed=1,
            schedule="constant",
        )
        train(network, lambda step: targets, recipe)
        return network.eval()

    return make
