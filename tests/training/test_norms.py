from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call

from raysep.training.norms import batch_norms, fix_statistics, folded, listening, momentum, running, scratch

LIKE = torch.zeros(1, dtype=torch.float64)


class Small(nn.Module):
    """Two norms with something between, and one that keeps no statistics."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.BatchNorm1d(3), nn.BatchNorm1d(4, momentum=0.3, eps=1e-2)
        self.linear, self.without = nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False)
        for parameter in self.parameters():
            nn.init.normal_(parameter)

    def forward(self, x):
        return self.without(self.second(self.linear(torch.tanh(self.first(x)))))


@pytest.fixture
def network():
    return Small().double()


def batch(seed: int = 0) -> torch.Tensor:
    return 2 + 3 * torch.randn(20, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_those_with_running_statistics_are_found(network):
    norms = batch_norms(network)
    assert list(norms) == ["first", "second"]
    assert running(norms, LIKE).tolist() == [0.0] * 3 + [1.0] * 3 + [0.0] * 4 + [1.0] * 4
    assert momentum(norms, LIKE).tolist() == pytest.approx([0.1] * 6 + [0.3] * 8)


def test_what_is_heard_is_what_the_norms_take_in(network):
    norms = batch_norms(network)
    before = running(norms, LIKE)
    with listening(norms, LIKE) as heard:
        network(batch())
    share = momentum(norms, before)
    torch.testing.assert_close((1 - share) * before + share * heard[0], running(norms, before))
    network(batch())  # nobody listens any more
    assert len(heard) == 1


def test_scratch_buffers_keep_the_network_s_own(network):
    norms = batch_norms(network)
    before = running(norms, LIKE)
    functional_call(network, scratch(norms), (batch(),))
    assert torch.equal(running(norms, LIKE), before)


def test_folded_norms_are_the_same_and_have_a_derivative(network):
    network.train()
    for seed in range(5):
        network(batch(seed))
    norms = batch_norms(network.eval())
    statistics = running(norms, LIKE).requires_grad_()
    named = {name: p.detach() for name, p in network.named_parameters()}
    torch.testing.assert_close(
        functional_call(network, folded(norms, named, statistics), (batch(9),)), network(batch(9))
    )
    assert torch.autograd.gradcheck(
        lambda s: functional_call(network, folded(norms, named, s), (batch(9),)).square().sum(), (statistics,)
    )


def test_fixed_statistics_are_those_of_what_was_heard(network):
    fix_statistics(network, batch())
    first = network.first
    torch.testing.assert_close(first.running_mean, batch().mean(dim=0))
    torch.testing.assert_close(first.running_var, batch().var(dim=0))
    assert first.momentum == 0.1
    assert network.second.momentum == 0.3
    assert all(module.training for module in network.modules())
