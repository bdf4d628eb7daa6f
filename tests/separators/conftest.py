"""Small networks of every registered kind."""

from __future__ import annotations

import pytest
import torch

from raysep.separators import registry

SMALL = {"sample_rate": 8000, "n_fft": 128, "hop": 64, "hidden": 8, "layers": 2}


@pytest.fixture(params=["openunmix", "openunmix-joint"])
def name(request) -> str:
    return request.param


@pytest.fixture
def network(name):
    """A small network of magnitudes."""
    torch.manual_seed(0)
    return registry.build(name, **SMALL, max_bin_hz=3000.0)


@pytest.fixture(params=sorted(registry.MODELS))
def any_name(request) -> str:
    return request.param


@pytest.fixture
def any_network(any_name, small_arguments):
    """A small network of any kind: two channels, four stems, 8 kHz."""
    torch.manual_seed(0)
    return registry.build(any_name, sample_rate=8000, **small_arguments(any_name))
