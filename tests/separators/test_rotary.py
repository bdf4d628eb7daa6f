from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.separators.recurrence import step_by_step
from raysep.separators.rotary import Attention, RotaryEmbedding, Transformer, attend


def random(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def turned(x: torch.Tensor) -> torch.Tensor:
    """The definition: pairs of features as complex numbers, times e^(i · position · 10000^(-2 pair / features))."""
    positions, features = x.shape[-2:]
    phase = torch.outer(
        torch.arange(positions, dtype=torch.float64),
        10_000.0 ** -(torch.arange(0, features, 2, dtype=torch.float64) / features),
    )
    pairs = torch.complex(x[..., 0::2], x[..., 1::2]) * torch.exp(1j * phase)
    return torch.stack([pairs.real, pairs.imag], dim=-1).flatten(-2)


halves = st.integers(1, 16).map(lambda half: 2 * half)


@given(positions=st.integers(1, 30), features=halves, seed=st.integers(0, 1000))
def test_it_is_a_complex_rotation(positions, features, seed):
    x = random(2, 3, positions, features, seed=seed)
    torch.testing.assert_close(RotaryEmbedding(features).double()(x), turned(x), rtol=0, atol=1e-5)
    torch.testing.assert_close(RotaryEmbedding(features)(x.float()), turned(x).float(), rtol=0, atol=1e-4)


@given(features=halves, seed=st.integers(0, 1000), shift=st.integers(1, 20))
def test_products_depend_on_the_distance_alone(features, seed, shift):
    query, key = random(2, 1, features, seed=seed)
    rotate = RotaryEmbedding(features).double()
    products = rotate(query.expand(30, -1)) @ rotate(key.expand(30, -1)).T  # (position, position)
    torch.testing.assert_close(products[shift:, shift:], products[:-shift, :-shift], rtol=0, atol=1e-9)


@given(features=halves, seed=st.integers(0, 1000))
def test_turning_keeps_every_length(features, seed):
    x = random(20, features, seed=seed)
    torch.testing.assert_close(RotaryEmbedding(features).double()(x).norm(dim=-1), x.norm(dim=-1))


def test_half_precision_goes_in_and_out_and_is_turned_in_single():
    x = random(1000, 8).bfloat16()
    y = RotaryEmbedding(8)(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.double(), turned(x.double()), rtol=0.01, atol=0.01)  # position 999 in bfloat16 is 1000


@settings(max_examples=20)
@given(places=st.integers(1, 12), seed=st.integers(0, 1000))
def test_attention_is_a_softmax_over_places_either_way(places, seed):
    query, key, value = random(3, 2, 4, places, 6, seed=seed)
    expected = torch.empty_like(value)
    for batch in range(2):
        for head in range(4):
            for place in range(places):
                scores = torch.exp(key[batch, head] @ query[batch, head, place] / 6**0.5)
                expected[batch, head, place] = (scores / scores.sum()) @ value[batch, head]
    torch.testing.assert_close(attend(query, key, value), expected)
    with step_by_step():
        torch.testing.assert_close(attend(query, key, value), expected)


def test_step_by_step_its_gradient_has_the_gradient_that_differences_have():
    layer = Attention(4, 2, 4, 0.0).double()
    with step_by_step():
        assert torch.autograd.gradgradcheck(layer, (random(1, 3, 4).requires_grad_(),))


def test_under_transforms_it_has_forward_derivatives_and_those_of_each_sample():
    layer, x, along = Attention(4, 2, 4, 0.0).double(), random(3, 5, 4), random(3, 5, 4, seed=1)
    _, slope = torch.func.jvp(layer, (x,), (along,))
    torch.testing.assert_close(slope, (layer(x + 1e-6 * along) - layer(x - 1e-6 * along)) / 2e-6, rtol=1e-5, atol=1e-8)
    each = torch.func.vmap(torch.func.grad(lambda one: layer(one[None]).square().sum()))(x)
    whole = torch.autograd.grad(layer(x.requires_grad_()).square().sum(), x)[0]
    torch.testing.assert_close(each, whole)


def test_a_layer_is_gated_heads_of_turned_queries_and_keys():
    """By hand: one head after another, its queries, keys and values cut out of the one matrix as published."""
    torch.manual_seed(0)
    layer = Attention(6, 3, 4, 0.0).double()
    x = random(2, 5, 6)
    normed = x / x.square().mean(dim=-1, keepdim=True).sqrt()
    heads = []
    for head in range(3):
        query, key, value = (normed @ layer.to_qkv.weight[12 * k + 4 * head :][:4].T for k in range(3))
        weights = torch.softmax(turned(query) @ turned(key).mT / 2.0, dim=-1)
        gate = torch.sigmoid(normed @ layer.to_gates.weight[head] + layer.to_gates.bias[head])
        heads.append(weights @ value * gate[..., None])
    torch.testing.assert_close(layer(x), torch.cat(heads, dim=-1) @ layer.to_out[0].weight.T, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("normed", [True, False])
def test_a_transformer_looks_along_its_third_axis_only(normed):
    torch.manual_seed(0)
    transformer = Transformer(6, 2, 2, 4, normed=normed).double()
    x = random(2, 3, 5, 6)
    other = x.clone()
    other[1, 2, 4] += random(6, seed=1)
    moved = (transformer(x) - transformer(other)).abs().amax(dim=-1) > 0
    assert moved[1, 2].all()
    assert moved.sum() == 5
    scale = transformer(x).square().mean(dim=-1)
    assert torch.allclose(scale, torch.ones_like(scale)) == normed


def test_dropout_is_of_training_alone():
    torch.manual_seed(0)
    transformer, x = Transformer(6, 1, 2, 4, attn_dropout=0.5, ff_dropout=0.5), torch.randn(1, 2, 5, 6)
    assert not torch.equal(transformer(x), transformer(x))
    transformer.eval()
    assert torch.equal(transformer(x), transformer(x))
