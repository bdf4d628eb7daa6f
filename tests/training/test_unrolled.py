from __future__ import annotations

import numpy as np
import pytest
import torch

from raysep.errors import BadInput, RaysepError
from raysep.separators import registry
from raysep.training.loop import train
from raysep.training.norms import batch_norms, running
from raysep.training.unrolled import left_out

ONES = torch.ones(12)


@pytest.mark.parametrize("name", ["convtasnet", "openunmix-joint", "scnet"])
@pytest.mark.slow
def test_at_weight_one_it_is_the_training_of_the_loop(unrolled, name):
    """Networks without dropout; of those with batch norms the running statistics too."""
    training, _ = unrolled(name, torch.float32, steps=8, ema_decay=0.5, weight_decay=0.1, gradient_clip=0.05)
    assert left_out(training) == []
    end = training.end(ONES)
    network = training.network
    for norm in batch_norms(network).values():
        assert not torch.equal(norm.running_mean, end.statistics[: norm.num_features])
    state = train(network, lambda step: training.draw(step).targets, training.recipe)
    trained = torch.cat([p.detach().flatten() for p in network.parameters()])
    averaged = torch.cat([state.ema.weights[name].flatten() for name, _ in network.named_parameters()])
    moved = float((trained - training_start(training, network)).abs().max())
    torch.testing.assert_close(end.parameters, trained, rtol=0, atol=1e-3 * moved)
    torch.testing.assert_close(end.average, averaged, rtol=0, atol=1e-3 * moved)
    torch.testing.assert_close(end.statistics, running(batch_norms(network), trained), rtol=1e-3, atol=1e-5)


def training_start(training, network):
    """What the network began with: the vector of a network of the same seed."""
    torch.manual_seed(0)
    model, arguments = registry.describe(network)
    return torch.cat([p.detach().flatten() for p in registry.build(model, **arguments).parameters()])


def test_it_repeats_itself_bit_for_bit_and_from_the_middle(unrolled):
    training, _ = unrolled(dtype=torch.float32)
    states = list(training.states(ONES))
    assert [state.step for state in states] == list(range(7))
    again = list(training.states(ONES, states[3]))
    assert all(a.equals(b) for a, b in zip(again, states[3:], strict=True))
    assert torch.equal(again[-1].average, states[-1].average)
    assert not again[-1].equals(states[-2])


def test_the_network_is_left_as_it_was(unrolled):
    training, _ = unrolled(dtype=torch.float32)
    training.network.train()
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    training.end(ONES)
    assert all(torch.equal(value, before[name]) for name, value in training.network.state_dict().items())
    assert all(module.training for module in training.network.modules())


@pytest.mark.parametrize("whole_example", [False, True])
def test_a_weight_multiplies_a_stem_s_loss_wherever_it_is_drawn(unrolled, whole_example):
    training, _ = unrolled(whole_example=whole_example, augment=("remix",))
    weights = torch.rand(12, dtype=torch.float64)
    parameters = training.start.parameters.requires_grad_()
    targets, owners = training.batch(4)
    losses, _ = training.losses(parameters, targets)
    shares = weights[torch.from_numpy(owners)]
    shares = shares.prod(dim=1, keepdim=True) if whole_example else shares
    (expected,) = torch.autograd.grad((losses * shares).mean(), parameters)
    torch.testing.assert_close(training.gradient(parameters, weights, 4)[0], expected)


def test_the_owners_follow_the_stems_through_the_augmentation(unrolled):
    plain, _ = unrolled(augment=())
    mixed, _ = unrolled(augment=("remix",))
    by_owner = {int(o): t for ts, os in zip(*plain.batch(2), strict=True) for t, o in zip(ts, os, strict=True)}
    for targets, owners in zip(*mixed.batch(2), strict=True):
        for stem, owner in zip(targets, owners, strict=True):
            assert torch.equal(stem, by_owner[int(owner)])


def test_a_stem_of_nobody_has_weight_one(unrolled):
    training, _ = unrolled()
    owned = training.draw
    training.draw = lambda step: owned(step)._replace(owners=np.full((3, 2), -1))
    parameters = training.start.parameters.requires_grad_()
    halved, _ = training.gradient(parameters, torch.full((12,), 0.5, dtype=torch.float64), 0)
    training.draw = owned
    assert torch.equal(halved, training.gradient(parameters, torch.ones(12, dtype=torch.float64), 0)[0])


def test_what_differs_from_the_loop_is_said(unrolled):
    training, _ = unrolled("openunmix", fixed_statistics=True, accumulate=2, validate_every=3)
    said = left_out(training)
    assert [words.split()[0] for words in said] == ["dropout", "batch", "training.accumulate", "the"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"eps_root": 0.0}, "training.eps_root 0"),
        ({"schedule": "plateau", "validate_every": 2}, "training.schedule plateau"),
        ({"patience": 3, "validate_every": 2}, "training.patience"),
        ({"truncate": "stem"}, "training.truncate stem"),
        ({"precision": "bfloat16"}, "training.precision bfloat16"),
    ],
)
def test_what_has_no_derivative_is_refused(unrolled, changes, words):
    with pytest.raises(BadInput, match=words):
        unrolled(**changes)


def test_a_training_that_diverges_says_where(unrolled):
    training, _ = unrolled(dtype=torch.float32)
    with pytest.raises(RaysepError, match="step 0: the weights of the network are not finite"):
        training.end(ONES * float("nan"))


def test_a_shorter_one_has_its_schedule_squeezed(unrolled):
    training, _ = unrolled()
    short = training.shortened(3)
    assert short.end(torch.ones(12, dtype=torch.float64)).step == 3
    assert short.recipe.learning_rate == training.recipe.learning_rate
