import copy

import torch

from raysep.probes.gradients import weights_of, with_weights
from raysep.probes.losses import loss_difference, losses_of
from raysep.training.loss import stem_losses


def test_losses_are_the_training_loss_in_float64_whatever_the_batch(network, segments):
    mixtures, targets = segments(5)
    losses = losses_of(network, mixtures, targets, batch=2)
    assert losses.dtype == torch.float64
    torch.testing.assert_close(losses.float(), stem_losses(network, mixtures, targets), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(losses, losses_of(network, mixtures, targets, batch=5), rtol=1e-5, atol=1e-9)
    network.train()
    assert torch.equal(losses, losses_of(network, mixtures, targets, batch=2))
    assert network.training


def test_the_difference_of_two_weight_sets_is_that_of_their_losses_in_double_precision(network, segments):
    """The slow way, loss by loss, in float64: single precision there would leave three digits of so small a difference."""
    mixtures, targets = segments(5)
    weights = weights_of(network)
    plus, minus = (
        with_weights(network, {name: (1 + e) * value for name, value in weights.items()}) for e in (1e-3, -1e-3)
    )
    exact = [losses_of(copy.deepcopy(each).double(), mixtures.double(), targets.double()) for each in (plus, minus)]
    for batch in (2, 5):
        found = loss_difference(plus, minus, targets, batch)
        assert found.dtype == torch.float64
        torch.testing.assert_close(
            found, exact[0] - exact[1], rtol=1e-3, atol=1e-3 * float((exact[0] - exact[1]).abs().max())
        )
