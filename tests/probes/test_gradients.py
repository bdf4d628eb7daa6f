import pytest
import torch

from raysep.probes.gradients import (
    ParameterSum,
    evaluating,
    merge_all,
    reference_gradient,
    weights_of,
    with_weights,
)
from raysep.probes.losses import losses_of


def test_gradient_is_the_slope_of_the_mean_loss(small_network, segments):
    network = small_network().double()
    mixtures, targets = (part.double() for part in segments(6))
    gradient = reference_gradient(network, [(mixtures, targets)]).mean()
    weights = weights_of(network)
    generator = torch.Generator().manual_seed(0)
    away = {name: torch.randn(w.shape, generator=generator, dtype=w.dtype) for name, w in weights.items()}
    expected = sum(float((gradient[name] * away[name]).sum()) for name in weights)
    step = 1e-6
    sides = [
        float(
            losses_of(with_weights(network, {n: w + s * away[n] for n, w in weights.items()}), mixtures, targets).mean()
        )
        for s in (step, -step)
    ]
    assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(expected, rel=1e-5)


def test_shards_merge_to_the_whole(network, segments):
    mixtures, targets = segments(6)
    whole = reference_gradient(network, [(mixtures, targets)])
    parts = {str(i): reference_gradient(network, [(mixtures[i : i + 2], targets[i : i + 2])]) for i in (0, 2, 4)}
    merged = merge_all(parts)
    assert merged.count == whole.count == 6
    for name in whole.sum:
        torch.testing.assert_close(merged.sum[name], whole.sum[name], rtol=1e-4, atol=1e-8)
    backwards = merge_all(dict(reversed(parts.items())))
    assert all(torch.equal(backwards.sum[name], merged.sum[name]) for name in merged.sum)


def test_bytes_round_trip_exactly(network, segments):
    total = reference_gradient(network, [segments(2)])
    again = ParameterSum.from_bytes(total.to_bytes())
    assert again.count == 2
    assert again.sum.keys() == total.sum.keys()
    assert all(torch.equal(again.sum[name], total.sum[name]) for name in total.sum)


def test_frozen_parameters_are_left_out_and_modes_restored(network, segments):
    network.fc1.weight.requires_grad_(False)
    network.train()
    network.bn1.eval()
    before = network.bn1.running_mean.clone()
    total = reference_gradient(network, [segments(2)])
    assert "fc1.weight" not in total.sum
    assert network.training
    assert not network.bn1.training
    assert torch.equal(network.bn1.running_mean, before)


def test_a_copy_with_other_weights_leaves_the_network_alone(network):
    weights = weights_of(network)
    changed = with_weights(network, {"fc2.weight": weights["fc2.weight"] + 1})
    assert torch.equal(network.fc2.weight, weights["fc2.weight"])
    assert torch.equal(changed.fc2.weight, weights["fc2.weight"] + 1)
    assert torch.equal(changed.fc1.weight, weights["fc1.weight"])
    assert torch.equal(changed.bn1.running_var, network.bn1.running_var)


def test_no_samples_are_refused(network):
    with pytest.raises(ValueError, match="no samples"):
        reference_gradient(network, [])


def test_eval_mode_ends_even_after_an_error(network):
    network.train()

    def fail():
        with evaluating(network):
            assert not network.training
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert network.training
