"""Two labels that a tiny network can tell apart: low and high tones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from raysep.separators import registry

RATE = 4000  # Hz


def _tones(step: int, batch: int = 4, time: int = 2000) -> torch.Tensor:
    """Targets ``(batch, 2, 1, time)``: stem 0 below 500 Hz, stem 1 above 1000 Hz."""
    rng = np.random.default_rng([9, step])
    t = np.arange(time) / RATE
    frequency = np.stack([rng.uniform(80, 500, batch), rng.uniform(1000, 1900, batch)], axis=1)[..., None]
    phase = rng.uniform(0, 2 * np.pi, (batch, 2, 1))
    gain = rng.uniform(0.1, 0.4, (batch, 2, 1))
    return torch.from_numpy(gain * np.sin(2 * np.pi * frequency * t + phase)).float().unsqueeze(2)


@pytest.fixture
def tones():
    """``draw(step)`` of a training set without end."""
    return _tones


@pytest.fixture(params=["openunmix", "openunmix-joint"])
def name(request) -> str:
    return request.param


@pytest.fixture
def fresh(name):
    """Makes the same small network of magnitudes every time it is called."""
    return lambda: _made(name, {"n_fft": 128, "hop": 64, "hidden": 16, "layers": 2})


@pytest.fixture(params=sorted(registry.MODELS))
def any_fresh(request, small_arguments):
    """Makes the same small network of any kind every time it is called."""
    return lambda: _made(request.param, small_arguments(request.param))


def _made(name: str, arguments: dict):
    torch.manual_seed(0)
    network = registry.build(name, stems=("low", "high"), sample_rate=RATE, channels=1, **arguments)
    network.set_input_statistics(torch.cat([_tones(100 + k) for k in range(4)]).sum(1))
    return network
