"""Conjugate gradients against solving with the matrix written out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import hessian

from raysep.probes.rivals.conjugate import solve
from raysep.probes.rivals.products import hessian_product


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(1, 1000), rank=st.integers(1, 8))
def test_it_solves_what_a_matrix_solves(seed, rank):
    root, right, damping = drawn(8, rank, seed=seed), drawn(8, seed=seed + 1), drawn(8, seed=seed + 2).abs() + 0.1
    matrix = root @ root.T
    found = solve(lambda v: matrix @ v, right, damping, iterations=200, tolerance=1e-12)
    torch.testing.assert_close(found.x, torch.linalg.solve(matrix + damping.diag(), right), rtol=1e-6, atol=1e-8)
    assert not found.bent_down


def test_at_a_networks_end_it_is_the_damped_inverse_of_the_hessian():
    rows, wanted = drawn(20, 3, seed=1), drawn(20, 2, seed=2)

    def loss(parameters):
        first, second = parameters.split([12, 8])
        return (torch.tanh(rows @ first.view(4, 3).T) @ second.view(2, 4).T - wanted).square().mean()

    at, right = drawn(20, seed=3), drawn(20, seed=4)
    matrix = hessian(loss)(at)
    lowest = float(torch.linalg.eigvalsh(matrix)[0])
    assert lowest < 0  # a Hessian, and not a Gauss-Newton matrix
    damping = torch.full_like(at, 0.05 - lowest)
    found = solve(lambda v: hessian_product(loss, at, v), right, damping, iterations=100, tolerance=1e-10)
    torch.testing.assert_close(found.x, torch.linalg.solve(matrix + damping.diag(), right), rtol=1e-7, atol=1e-9)
    assert found.residual < 1e-9


def test_where_it_bends_downwards_it_ends_with_what_it_has():
    matrix = torch.tensor([2.0, -3.0], dtype=torch.float64).diag()
    right, damping = torch.tensor([1.0, 0.1], dtype=torch.float64), torch.full((2,), 0.5, dtype=torch.float64)
    found = solve(lambda v: matrix @ v, right, damping)
    assert found.bent_down
    assert found.iterations == 1
    assert torch.isfinite(found.x).all()
    assert float(found.x @ right) > 0  # still a descent


def test_it_ends_when_told_and_when_there_is_nothing_to_do():
    matrix, right = drawn(6, 6, seed=5), drawn(6, seed=6)
    calls = []

    def product(vector):
        calls.append(1)
        return matrix @ matrix.T @ vector

    assert solve(product, right, torch.ones_like(right), iterations=2).iterations == 2
    assert len(calls) == 2
    nothing = solve(product, torch.zeros_like(right), torch.ones_like(right))
    assert (nothing.iterations, nothing.residual, float(nothing.x.abs().max())) == (0, 0.0, 0.0)
    assert solve(lambda v: 0 * v, right, torch.ones_like(right)).residual == pytest.approx(0.0, abs=1e-12)
