"""EK-FAC against matrices written out, where there is an exact answer against that, and its captures against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raysep.errors import BadInput
from raysep.probes.rivals.ekfac import blocks_of, captured, ekfac
from raysep.probes.rivals.point import Point
from raysep.probes.rivals.products import gauss_newton_product
from raysep.separators import registry

IN, OUT = 3, 2


def samples_of(seed: int, count: int = 7, rows: int = 4):
    rng = np.random.default_rng(seed)
    return [
        (torch.from_numpy(rng.normal(size=(rows, IN))), torch.from_numpy(rng.normal(size=(rows, OUT))))
        for _ in range(count)
    ]


def block(samples):
    return blocks_of(lambda: [{"layer": sample} for sample in samples])["layer"]


def fisher(samples) -> np.ndarray:
    """Mean over samples of the outer product of the flattened gradient."""
    flat = [(slopes.numpy().T @ rows.numpy()).ravel() for rows, slopes in samples]
    return np.mean([np.outer(g, g) for g in flat], axis=0)


@given(seed=st.integers(0, 1000), damping=st.floats(0.01, 10))
def test_it_solves_in_the_eigenvectors_of_the_kronecker_factors(seed, damping):
    samples = samples_of(seed)
    inputs, outputs = np.zeros((IN, IN)), np.zeros((OUT, OUT))
    for rows, slopes in samples:
        for a, s in zip(rows.numpy(), slopes.numpy(), strict=True):
            inputs, outputs = inputs + np.outer(a, a), outputs + np.outer(s, s)
    basis = np.kron(np.linalg.eigh(outputs)[1], np.linalg.eigh(inputs)[1])
    matrix = basis @ np.diag(np.diag(basis.T @ fisher(samples) @ basis)) @ basis.T
    gradient = np.random.default_rng(seed + 1).normal(size=(OUT, IN))
    expected = np.linalg.solve(matrix + damping * np.eye(IN * OUT), gradient.ravel())
    found = block(samples).solve(torch.from_numpy(gradient), damping)
    np.testing.assert_allclose(found.numpy().ravel(), expected, rtol=1e-7, atol=1e-10)


@given(seed=st.integers(0, 1000))
def test_it_is_exact_where_the_fisher_is_a_kronecker_product(seed):
    """Every row with every slope, one row a sample: the two are independent, and the Fisher is S ⊗ A."""
    rng = np.random.default_rng(seed)
    rows, slopes = torch.from_numpy(rng.normal(size=(5, IN))), torch.from_numpy(rng.normal(size=(4, OUT)))
    samples = [(a[None], s[None]) for a in rows for s in slopes]
    gradient = torch.from_numpy(rng.normal(size=(OUT, IN)))
    expected = np.linalg.solve(fisher(samples) + 0.1 * np.eye(IN * OUT), gradient.numpy().ravel())
    np.testing.assert_allclose(block(samples).solve(gradient, 0.1).numpy().ravel(), expected, rtol=1e-7, atol=1e-10)


@given(seed=st.integers(0, 1000))
def test_it_is_never_further_from_the_fisher_than_the_kronecker_product_is(seed):
    """George et al. 2018: of all diagonals in this basis Λ is the nearest, and K-FAC's is another."""
    samples = samples_of(seed)
    exact, found = fisher(samples), block(samples)
    of_rows = sum(rows.T @ rows for rows, _ in samples).numpy() / len(samples)
    of_slopes = sum(slopes.T @ slopes for _, slopes in samples).numpy() / (len(samples) * len(samples[0][0]))
    basis = np.kron(found.of_outputs.numpy(), found.of_inputs.numpy())
    mine = basis @ np.diag(found.values.numpy().ravel()) @ basis.T
    assert np.linalg.norm(mine - exact) <= np.linalg.norm(np.kron(of_slopes, of_rows) - exact) + 1e-12


@pytest.mark.parametrize("name", sorted(registry.MODELS))
def test_what_is_captured_makes_up_each_layers_gradient(trained, name):
    training, _, states = trained(name, steps=1)
    point, targets = Point.end_of(training, states[-1]), training.batch(0)[0][:1]
    leaf = point.parameters.clone().requires_grad_()
    outputs = point.outputs(targets)(leaf)
    drawn = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(4)).to(outputs)
    (slope,) = torch.autograd.grad(outputs, leaf, drawn * (2.0 / outputs.numel()) ** 0.5)
    named, found = training.named(slope), captured(point, targets, torch.Generator().manual_seed(4))
    assert found
    for layer, (rows, slopes) in found.items():
        parts = [
            named[key].reshape(slopes.shape[1], -1) for key in (f"{layer}.weight", f"{layer}.bias") if key in named
        ]
        torch.testing.assert_close(slopes.mT @ rows, torch.cat(parts, dim=1), rtol=1e-8, atol=1e-12)


def test_drawn_slopes_have_the_gauss_newton_matrix_for_second_moment(trained):
    """Along one direction within a layer, over many draws: a mean of squares of a normal, whose error is known."""
    training, _, states = trained(steps=3)
    point, targets = Point.end_of(training, states[-1]), training.batch(0)[0][:1]
    vector = torch.zeros_like(point.parameters)
    training.named(vector)["fc3.weight"].normal_(generator=torch.Generator().manual_seed(1))
    product = gauss_newton_product(point.outputs(targets), lambda out: out.square().mean(), point.parameters, vector)
    generator, wanted, count = torch.Generator().manual_seed(2), float(vector @ product), 200
    way = training.named(vector)["fc3.weight"]
    squares = []
    for _ in range(count):
        rows, slopes = captured(point, targets, generator)["fc3"]
        squares.append(float(((slopes.mT @ rows)[:, : way.shape[1]] * way).sum()) ** 2)
    assert np.mean(squares) == pytest.approx(wanted, rel=4 * (2 / count) ** 0.5)


def test_a_network_is_solved_layer_by_layer_and_what_is_left_out_is_named(trained):
    training, _, states = trained(steps=3)
    point, targets = Point.end_of(training, states[-1]), training.batch(0)[0]
    found = ekfac(point, [targets[:1], targets[1:]])
    assert set(found.blocks) == {"fc1", "fc2", "fc3"}
    assert "lstm.weight_hh_l0" in found.left_out
    assert found.words == "EK-FAC of fc1, fc2, fc3; left out, as their kind is not treated: bn1, lstm, bn2"
    slope = torch.randn(len(point.parameters), dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    damping = torch.full_like(slope, 1e-3)
    direction, named = training.named(found.solve(point, slope, damping)), training.named(slope)
    assert all(not direction[name].any() for name in found.left_out)
    whole = torch.cat([named["fc3.weight"], named["fc3.bias"][:, None]], dim=1)
    solved = found.blocks["fc3"].solve(whole, 1e-3)
    torch.testing.assert_close(direction["fc3.weight"], solved[:, :-1])
    torch.testing.assert_close(direction["fc3.bias"], solved[:, -1])


def test_a_network_without_such_layers_is_refused_in_one_line(trained):
    training, _, states = trained(steps=1)
    point = Point.end_of(training, states[-1])
    for layer in (training.network.fc1, training.network.fc2, training.network.fc3):
        layer.weight.requires_grad_(False)
    with pytest.raises(BadInput, match="JointOpenUnmix: no layer that EK-FAC treats"):
        ekfac(point, [training.batch(0)[0]])
