"""Products against the matrices themselves, on a network of two layers in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import hessian, jacrev

from raysep.probes.rivals.products import along, gauss_newton_product, hessian_product

INPUTS, HIDDEN, OUTPUTS = 3, 4, 2
PARAMETERS = HIDDEN * INPUTS + OUTPUTS * HIDDEN


@pytest.fixture(scope="module")
def outputs():
    rows = torch.randn(5, INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def given_by(parameters):
        first, second = parameters.split([HIDDEN * INPUTS, OUTPUTS * HIDDEN])
        return torch.tanh(rows @ first.view(HIDDEN, INPUTS).T) @ second.view(OUTPUTS, HIDDEN).T

    return given_by


def bent(outputs):
    """A loss that is not quadratic in the outputs."""
    return torch.logsumexp(outputs, dim=1).mean() + outputs.square().square().mean()


def drawn(seed: int) -> torch.Tensor:
    return torch.randn(PARAMETERS, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 1000))
def test_along_is_the_jacobian_times_each_vector(outputs, seed):
    at, vectors = drawn(seed), [drawn(seed + 1), drawn(seed + 2)]
    jacobian = jacrev(outputs)(at)
    for found, vector in zip(along(outputs, at, vectors), vectors, strict=True):
        torch.testing.assert_close(found, jacobian @ vector)


@given(st.integers(1, 1000))
def test_the_hessian_product_is_the_hessian_times_the_vector(outputs, seed):
    at, vector = drawn(seed), drawn(seed + 1)
    found = hessian_product(lambda p: bent(outputs(p)), at, vector)
    torch.testing.assert_close(found, hessian(lambda p: bent(outputs(p)))(at) @ vector)


@given(st.integers(1, 1000))
def test_the_gauss_newton_product_is_that_of_the_written_out_matrix(outputs, seed):
    at, vector = drawn(seed), drawn(seed + 1)
    jacobian = jacrev(outputs)(at).reshape(-1, PARAMETERS)
    of_loss = hessian(lambda out: bent(out.view(-1, OUTPUTS)))(outputs(at).flatten())
    torch.testing.assert_close(
        gauss_newton_product(outputs, bent, at, vector), jacobian.T @ of_loss @ jacobian @ vector
    )


def test_a_parameter_that_nothing_depends_on_has_a_product_of_zero():
    at = torch.tensor([2.0, 3.0], dtype=torch.float64)
    assert hessian_product(lambda p: p[0].square(), at, torch.ones_like(at)).tolist() == [2.0, 0.0]
    assert along(lambda p: p[:1], at, [torch.ones_like(at)]).tolist() == [[1.0]]
