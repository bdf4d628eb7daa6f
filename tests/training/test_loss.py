from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.func import functional_call, grad, vmap

from raysep.training.loss import batch_loss, error_map, form_of, magnitude_mse, stem_losses, truncated_mean
from raysep.training.recipe import LOSSES


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


@pytest.mark.parametrize("loss", LOSSES)
def test_the_map_averages_to_the_loss_and_falls_to_nothing_for_the_truth(fresh, tones, loss):
    network = fresh().eval()
    targets = tones(0)
    estimate = network(targets.sum(1), form_of(loss))
    errors = error_map(network, estimate, targets, loss)
    assert errors.shape[:2] == (4, 2)
    assert errors.shape[2] > 5
    whole = batch_loss(network, network, targets, loss)
    # Frames at the ends weigh alike in both; stretches of a waveform differ by a sample in length.
    torch.testing.assert_close(errors.mean(), whole, rtol=0.02, atol=0)
    truth = network.magnitude(targets) if form_of(loss) == "magnitude" else targets
    assert error_map(network, truth, targets, loss).max() < 1e-5


@pytest.mark.parametrize(("loss", "power"), [("waveform-mse", 2), ("waveform-l1", 1)])
def test_waveform_losses_are_the_mean_over_samples(fresh, tones, loss, power):
    network, targets = fresh().eval(), tones(0)
    estimate = network(targets.sum(1), "waveform")
    expected = (estimate - targets).abs().pow(power).mean()
    torch.testing.assert_close(batch_loss(network, network, targets, loss), expected)


@pytest.mark.parametrize("truncate", ["stem", "time"])
def test_truncation_drops_exactly_the_highest_of_each_stem(truncate):
    errors = torch.rand(5, 3, 8, generator=torch.Generator().manual_seed(1))
    errors[:, 2] *= 100  # a loud stem must not be all that is dropped
    values = errors.mean(2) if truncate == "stem" else errors.transpose(1, 2).reshape(40, 3)
    kept = np.sort(values.numpy(), axis=0)[: len(values) - int(0.25 * len(values))]
    assert float(truncated_mean(errors, truncate, 0.25)) == pytest.approx(kept.mean(), rel=1e-6)
    assert float(truncated_mean(errors, truncate, 0.0)) == pytest.approx(float(errors.mean()), rel=1e-6)


@pytest.mark.parametrize(
    ("truncate", "dropped"), [("stem", (slice(3, 4), slice(None))), ("time", (slice(None), slice(6, 8)))]
)
def test_what_is_dropped_teaches_nothing(truncate, dropped):
    errors = torch.rand(4, 2, 8)
    errors[dropped[0], 1, dropped[1]] += 10
    errors.requires_grad_()
    truncated_mean(errors, truncate, 0.25).backward()
    assert (errors.grad[dropped[0], 1, dropped[1]] == 0).all()
    assert (errors.grad > 0).sum() == 2 * 24
