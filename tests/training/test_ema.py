from __future__ import annotations

import pytest
import torch
from torch import nn

from raysep.training.ema import EMA


def test_parameters_are_averaged_with_a_decay_that_warms_up_and_buffers_are_copied():
    module = nn.BatchNorm1d(2)
    ema = EMA(module, decay=0.3)
    expected = module.weight.detach().clone()
    for t in range(8):
        with torch.no_grad():
            module.weight.copy_(torch.tensor([1.0 + t, -t]))
            module.running_mean.fill_(t)
        ema.update(module)
        decay = min(0.3, (1 + t) / (10 + t))
        expected = decay * expected + (1 - decay) * module.weight.detach()
    torch.testing.assert_close(ema.weights["weight"], expected)
    assert ema.weights["running_mean"].tolist() == [7.0, 7.0]


def test_a_constant_is_its_own_average():
    module = nn.Linear(3, 2)
    ema = EMA(module, 0.99)
    for _ in range(20):
        ema.update(module)
    assert all(torch.equal(ema.weights[k], v) for k, v in module.state_dict().items())


def test_the_average_is_no_view_of_the_module():
    module = nn.Linear(3, 2)
    ema = EMA(module, 0.99)
    before = ema.weights["bias"].clone()
    with torch.no_grad():
        module.bias.add_(1.0)
    assert torch.equal(ema.weights["bias"], before)


def test_state_and_load_are_exact_and_apart():
    module = nn.Linear(3, 2)
    ema, other = EMA(module, 0.9), EMA(nn.Linear(3, 2), 0.9)
    ema.update(module)
    state = ema.state()
    other.load(state)
    for average in (ema, other):
        with torch.no_grad():
            module.weight.fill_(2.0)
        average.update(module)
    assert other.updates == ema.updates == 2
    assert all(torch.equal(other.weights[k], v) for k, v in ema.weights.items())
    assert not torch.equal(state["weights"]["weight"], ema.weights["weight"])


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="decay"):
        EMA(nn.Linear(1, 1), 1.0)
    with pytest.raises(KeyError, match="bias"):
        EMA(nn.Linear(1, 1, bias=False), 0.5).load(EMA(nn.Linear(1, 1), 0.5).state())


def test_the_average_is_in_the_module_only_while_it_is_applied():
    module = nn.Linear(3, 2)
    ema = EMA(module, 0.5)
    own = {name: value.clone() for name, value in module.state_dict().items()}
    ema.weights["bias"].add_(1.0)
    seen = []

    def fail(applied):
        seen.append(applied.bias.detach().clone())
        raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"), ema.applied(module) as applied:
        fail(applied)
    assert torch.equal(seen[0], own["bias"] + 1.0)
    assert all(torch.equal(value, own[name]) for name, value in module.state_dict().items())
