import pytest
import torch
from torch import nn

from raysep.probes.fisher import diagonal_fisher
from raysep.probes.gradients import (
    ParameterSum,
    differentiable,
    evaluating,
    losses_at,
    merge_all,
    reference_gradient,
    weights_of,
    with_weights,
)
from raysep.probes.influence import exact_derivative
from raysep.probes.losses import losses_of
from raysep.separators import registry
from raysep.separators.recurrence import BiLSTM


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


# Recurrences on CUDA


@pytest.fixture
def like_cudnn(monkeypatch):
    """Every LSTM refuses, as cuDNN does, a gradient through eval mode; gives the number of forward passes with one."""
    run, passes = nn.LSTM.forward, []

    def forward(self, *arguments):
        if torch.is_grad_enabled() and not torch.is_inference_mode_enabled():
            if not self.training and torch.backends.cudnn.enabled:
                raise RuntimeError("cudnn RNN backward can only be called in training mode")
            passes.append(self)
        return run(self, *arguments)

    monkeypatch.setattr(nn.LSTM, "forward", forward)
    return passes


@pytest.mark.parametrize("model", sorted(registry.MODELS))
def test_gradients_in_eval_mode_are_taken_where_cudnn_refuses_them(model, small_network_of, like_cudnn, segments):
    network = small_network_of(model)
    mixtures, targets = segments(2)
    weights = weights_of(network)
    reference_gradient(network, [(mixtures, targets)])
    diagonal_fisher(network, mixtures, targets)
    exact_derivative(network, weights, mixtures, targets, mode="reverse")
    moved = {name: value.requires_grad_() for name, value in weights.items()}
    torch.autograd.grad(losses_at(network, mixtures, targets)(moved).sum(), list(moved.values()), allow_unused=True)
    holds_lstm = any(isinstance(module, nn.LSTM) for module in network.modules())
    assert bool(like_cudnn) == holds_lstm == (model not in ("convtasnet", "bs-roformer", "mel-band-roformer"))
    assert not any(module.training for module in network.modules())


@pytest.fixture
def small_network_of(small_arguments):
    """``small_network_of(model)``: an untrained network of the registry, in eval mode."""

    def make(model: str):
        arguments = {"stems": ("vocals", "drums", "bass", "other"), "sample_rate": 8000, "channels": 1}
        network = registry.build(model, **arguments | small_arguments(model))
        network.set_input_statistics(0.1 * torch.randn(4, 1, 2000))
        return network.eval()

    return make


def test_a_recurrence_without_dropout_computes_in_training_mode_what_it_does_in_eval_mode():
    torch.manual_seed(0)
    layer, x = BiLSTM(6, 5, 2, dropout=0.4), torch.randn(20, 3, 6)
    layer.eval()
    expected = torch.autograd.grad(layer(x).square().sum(), list(layer.parameters()))
    layer.train()
    with differentiable(layer):
        assert (layer.training, layer.dropout) == (True, 0.0)
        found = torch.autograd.grad(layer(x).square().sum(), list(layer.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert (layer.training, layer.dropout) == (True, 0.4)


def test_what_a_network_was_is_put_back_after_an_error_too():
    network = nn.Sequential(nn.LSTM(3, 3, 2, dropout=0.3), nn.Dropout(0.5))
    network[1].eval()

    def fail():
        with differentiable(network), differentiable(network):  # one inside another
            assert [network[0].training, network[1].training, network[0].dropout] == [True, False, 0.0]
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [network.training, network[0].training, network[1].training, network[0].dropout] == [True, True, False, 0.3]
