from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from raysep.errors import BadInput
from raysep.separators.inference import separate


class Identity(nn.Module):
    """Returns the mixture as each of two stems, and remembers what it was given."""

    stems = ("a", "b")
    sample_rate = 100  # Hz

    def __init__(self):
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def separate(self, mixture):
        assert not self.training
        self.shapes.append(tuple(mixture.shape))
        return torch.stack([mixture, -mixture], dim=1)


@settings(max_examples=150, deadline=None)
@given(
    time=st.integers(0, 600),
    chunk=st.floats(0.001, 4.0),
    overlap=st.floats(0.0, 0.999),
    batch=st.integers(1, 5),
    channels=st.integers(1, 2),
)
def test_an_identity_returns_its_input(time, chunk, overlap, batch, channels):
    mixture = torch.randn(channels, time, generator=torch.Generator().manual_seed(time))
    network = Identity()
    result = separate(network, mixture, chunk, overlap, batch)
    torch.testing.assert_close(result, torch.stack([mixture, -mixture]), rtol=0, atol=1e-5)
    assert all(shape[0] <= batch and shape[2] <= max(1, round(chunk * 100)) for shape in network.shapes)


def test_a_short_mixture_goes_through_in_one_piece():
    network = Identity()
    separate(network, torch.zeros(2, 999), chunk_seconds=10)
    assert network.shapes == [(1, 2, 999)]


def test_the_batch_changes_no_result(network):
    network.eval()
    mixture = torch.randn(2, 5000, generator=torch.Generator().manual_seed(0))
    one, many = (separate(network, mixture, 0.1, 0.5, batch) for batch in (1, 5))
    torch.testing.assert_close(one, many, rtol=0, atol=1e-6)


def test_the_networks_mode_is_left_as_it_was(network):
    network.train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    result = separate(network, torch.randn(2, 3000), 0.1)
    assert network.training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert result.shape == (4, 2, 3000)
    assert not result.is_inference()


@pytest.mark.parametrize("options", [{"chunk_seconds": 0}, {"overlap": 1.0}, {"overlap": -0.1}, {"batch": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(BadInput, match=next(iter(options))):
        separate(Identity(), torch.zeros(1, 100), **options)
