"""What must hold for every registered network, whatever it works on inside."""

from __future__ import annotations

import json

import pytest
import torch

from raysep.errors import BadInput
from raysep.separators import registry
from raysep.separators.base import FILTERS
from raysep.separators.checkpoint import Checkpoint, from_bytes, network_of, to_bytes


def mixtures(batch: int = 2, time: int = 3000) -> torch.Tensor:
    return 0.1 * torch.randn(batch, 2, time, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("time", [1, 77, 1024, 3001])
def test_any_length_comes_back_at_its_length(any_network, time):
    any_network.eval()
    mixture = mixtures(time=time)
    bins, frames = any_network.magnitude(mixture).shape[-2:]
    assert any_network(mixture).shape == (2, 4, 2, bins, frames)
    assert any_network(mixture, "waveform").shape == (2, 4, 2, time)
    for kind in FILTERS:
        assert any_network.separate(mixture, kind).shape == (2, 4, 2, time)
        assert any_network.separate(mixture, kind, residual=True).shape == (2, 5, 2, time)


@pytest.mark.parametrize("kind", ["phase", "ratio"])
def test_stems_and_residual_sum_to_the_mixture(any_network, kind):
    mixture = mixtures()
    with torch.no_grad():
        separated = any_network.eval().separate(mixture, kind, residual=True)
    torch.testing.assert_close(separated.sum(dim=1), mixture, rtol=0, atol=1e-5)


def test_both_forms_are_the_same_estimate(any_network):
    """The magnitude of a waveform network's output; a magnitude network's waveform is what it separates."""
    mixture = mixtures()
    with torch.no_grad():
        any_network.eval()
        waveform = any_network(mixture, "waveform")
        torch.testing.assert_close(waveform, any_network.separate(mixture))
        if not hasattr(any_network, "estimate"):
            torch.testing.assert_close(any_network(mixture), any_network.magnitude(waveform), rtol=1e-5, atol=1e-6)


def test_unknown_forms_and_filters_are_named(any_network):
    with pytest.raises(BadInput, match="want 'masks'"):
        any_network(mixtures(), "masks")
    with pytest.raises(BadInput, match="filter 'none'"):
        any_network.separate(mixtures(), "none")


def test_in_eval_mode_an_example_does_not_depend_on_its_batch(any_network):
    any_network.eval()
    with torch.no_grad():
        whole, alone = any_network(mixtures(), "waveform")[1:], any_network(mixtures()[1:], "waveform")
    torch.testing.assert_close(whole, alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("want", ["magnitude", "waveform"])
def test_every_parameter_gets_a_finite_gradient_even_from_silence(any_network, want):
    """A parameter without one would stop distributed training; a NaN would end any."""
    for mixture in (mixtures(), torch.zeros(2, 2, 3000)):
        any_network.zero_grad(set_to_none=True)
        any_network(mixture, want).square().mean().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in any_network.parameters())


def test_bfloat16_stays_inside_the_network(any_network):
    mixture = mixtures()
    any_network.eval()
    with torch.no_grad():
        exact = any_network(mixture, "waveform")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = any_network(mixture, "waveform")
            assert any_network.magnitude(mixture).dtype == torch.float32
            assert any_network(mixture).dtype == torch.float32
    assert rough.dtype == torch.float32
    assert torch.isfinite(rough).all()
    assert (rough - exact).norm() < 0.1 * exact.norm()


def test_a_checkpoint_brings_it_back(any_network, any_name):
    model, arguments = registry.describe(any_network)
    assert model == any_name
    arguments = json.loads(json.dumps(arguments))
    data = to_bytes(Checkpoint(model, arguments, dict(any_network.state_dict())))
    again = network_of(from_bytes(data, "there"))
    assert again.config == any_network.config
    with torch.no_grad():
        assert torch.equal(again(mixtures()), any_network.eval()(mixtures()))
