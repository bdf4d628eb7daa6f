import torch

from raysep.probes.losses import losses_of
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
