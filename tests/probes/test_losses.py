import copy

import pytest
import torch

from raysep.probes.gradients import weights_of, with_weights
from raysep.probes.losses import loss_change, losses_of, mean_square
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


def test_a_loss_changes_by_the_difference_of_the_losses_in_double_precision(network, segments):
    """The slow way, loss by loss, in float64: single precision there would leave three digits of so small a difference."""
    mixtures, targets = segments(5)
    moved = with_weights(network, {name: (1 + 1e-3) * value for name, value in weights_of(network).items()})
    exact = [losses_of(copy.deepcopy(each).double(), mixtures.double(), targets.double()) for each in (moved, network)]
    with torch.inference_mode():
        start = network.eval()(mixtures)
        found = loss_change(start - network.magnitude(targets), moved.eval()(mixtures) - start)
    assert found.dtype == torch.float64
    difference = exact[0] - exact[1]
    torch.testing.assert_close(found, difference, rtol=1e-3, atol=1e-3 * float(difference.abs().max()))


@pytest.mark.parametrize("magnitude", [1.0, 1e-4])
def test_the_mean_square_is_that_of_float64(magnitude):
    values = magnitude * torch.rand(3, 2, 2049, 90, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mean_square(values), values.double().square().mean(dim=(1, 2, 3)), rtol=1e-8, atol=0.0)
