from __future__ import annotations

import numpy as np
import torch
from torch.func import functional_call, grad, vmap

from raysep.training.loss import magnitude_mse, stem_losses


def test_magnitude_mse_is_the_mean_over_the_last_three_dimensions():
    estimate, target = torch.rand(2, 3, 1, 5, 7), torch.rand(2, 3, 1, 5, 7)
    expected = ((estimate.numpy() - target.numpy()) ** 2).mean(axis=(2, 3, 4))
    np.testing.assert_allclose(magnitude_mse(estimate, target), expected, rtol=1e-5)


def test_stem_losses_are_of_each_stem_and_example(fresh, tones):
    network = fresh().eval()
    targets = tones(0)
    losses = stem_losses(network, targets.sum(1), targets)
    assert losses.shape == (4, 2)
    estimate, wanted = network(targets.sum(1)), network.magnitude(targets)
    torch.testing.assert_close(losses[2, 1], (estimate[2, 1] - wanted[2, 1]).square().mean())
    alone = stem_losses(network, targets[1:2].sum(1), targets[1:2])
    torch.testing.assert_close(alone[0], losses[1], rtol=1e-4, atol=1e-5)


def test_per_sample_gradients_of_the_loss(fresh, tones):
    network = fresh().eval()
    targets = tones(0, batch=2)
    parameters = {name: p.detach() for name, p in network.named_parameters()}

    def loss(parameters, one):
        def forward(mixture):
            return functional_call(network, parameters, (mixture,))

        forward.magnitude = network.magnitude
        return stem_losses(forward, one.sum(0, keepdim=True), one.unsqueeze(0)).mean()

    per_sample = vmap(grad(loss), (None, 0))(parameters, targets)
    for i in range(2):
        network.zero_grad()
        stem_losses(network, targets[i : i + 1].sum(1), targets[i : i + 1]).mean().backward()
        for name, p in network.named_parameters():
            torch.testing.assert_close(per_sample[name][i], p.grad, rtol=1e-3, atol=1e-6)
