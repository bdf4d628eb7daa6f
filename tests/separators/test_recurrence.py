from __future__ import annotations

import pytest
import torch
from torch.func import functional_call, grad, jvp, vmap

from raysep.separators.lstm_gradients import lstm
from raysep.separators.recurrence import BiLSTM, by_operations, step_by_step


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return BiLSTM(5, 4, 2).eval()


def loss(layer, parameters, x):
    return functional_call(layer, parameters, (x,)).square().sum()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_per_sample_gradients_are_a_loop_of_backward_passes(layer, dtype):
    layer = layer.to(dtype)
    x = torch.randn(7, 3, 5, dtype=dtype)  # (frame, batch, feature)
    parameters = {name: p.detach() for name, p in layer.named_parameters()}
    per_sample = vmap(grad(lambda p, one: loss(layer, p, one.unsqueeze(1))), (None, 1))(parameters, x)
    for i in range(3):
        layer.zero_grad()
        layer(x[:, i : i + 1]).square().sum().backward()
        for name, p in layer.named_parameters():
            torch.testing.assert_close(per_sample[name][i], p.grad, rtol=1e-4, atol=1e-6)


def test_the_directional_derivative_is_the_limit_of_differences(layer):
    layer = layer.double()
    x = torch.randn(7, 2, 5, dtype=torch.float64)
    parameters = {name: p.detach() for name, p in layer.named_parameters()}
    direction = {name: torch.randn_like(p) for name, p in parameters.items()}
    value, slope = jvp(lambda p: loss(layer, p, x), (parameters,), (direction,))
    step = 1e-6
    moved = [{n: parameters[n] + s * step * direction[n] for n in parameters} for s in (1, -1)]
    plus, minus = (loss(layer, p, x) for p in moved)
    torch.testing.assert_close(value, loss(layer, parameters, x))
    torch.testing.assert_close(slope, (plus - minus) / (2 * step), rtol=1e-6, atol=1e-8)


def test_one_layer_takes_no_dropout_and_gives_no_warning(recwarn):
    assert BiLSTM(5, 4, 1, dropout=0.4).dropout == 0.0
    assert BiLSTM(5, 4, 2, dropout=0.4).dropout == 0.4
    # Torch's would be this kind; of files that another test left open Python may warn at any time.
    assert not [each for each in recwarn.list if issubclass(each.category, UserWarning)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_step_by_step_it_is_the_library_s_recurrence(layer, dtype):
    layer = layer.to(dtype)
    x = torch.randn(7, 3, 5, dtype=dtype)
    fused = layer(x)
    with step_by_step():
        torch.testing.assert_close(layer(x), fused)
    assert torch.equal(layer(x), fused)  # and only inside


def test_step_by_step_its_gradient_has_the_gradient_that_differences_have(layer):
    layer, x = layer.double(), torch.randn(4, 2, 5, dtype=torch.float64, requires_grad=True)
    with step_by_step():
        assert torch.autograd.gradgradcheck(layer, (x,))


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_the_written_out_derivatives_are_those_of_differences(frames):
    torch.manual_seed(frames)
    driven = torch.randn(frames, 2, 3, 16, dtype=torch.float64, requires_grad=True)
    weight = (0.5 * torch.randn(2, 4, 16, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lstm, (driven, weight))
    assert torch.autograd.gradgradcheck(lstm, (driven, weight))


def test_the_written_out_derivatives_are_autograd_s_of_the_plain_operations():
    driven = torch.randn(9, 2, 3, 24, requires_grad=True)
    weight = (0.3 * torch.randn(2, 6, 24)).requires_grad_()
    above, *along = torch.randn(9, 2, 3, 6, requires_grad=True), torch.randn_like(driven), torch.randn_like(weight)

    def twice(recurrence):
        slopes = torch.autograd.grad(recurrence(driven, weight), (driven, weight), above, create_graph=True)
        return *slopes, *torch.autograd.grad(slopes, (driven, weight, above), along)

    for mine, plain in zip(twice(lstm), twice(by_operations), strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-5)


def test_a_third_derivative_is_refused(layer):
    x = torch.randn(4, 2, 5, requires_grad=True)
    with step_by_step():
        (slope,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        bend.sum().backward()
