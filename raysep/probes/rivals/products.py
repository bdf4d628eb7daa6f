"""Products of a function's derivatives with vectors; no matrix is ever written out.

Functions map a vector of parameters ``(parameter,)`` to a tensor. They need second derivatives: see
``metagradient.check_differentiable``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]


def along(function: Function, parameters: Tensor, vectors: Sequence[Tensor]) -> Tensor:
    """J v: the derivative of every output along every vector, ``(vector, *output)``.

    By two gradients backwards, since not every layer has one forwards: Jᵀu is linear in u, and its derivative by u along v
    is J v.
    """
    leaf = parameters.detach().requires_grad_()
    return torch.stack(_along(leaf, function(leaf), vectors))


def hessian_product(loss: Function, parameters: Tensor, vector: Tensor) -> Tensor:
    """H v of a scalar loss, ``(parameter,)`` (Pearlmutter 1994)."""
    leaf = parameters.detach().requires_grad_()
    (slope,) = torch.autograd.grad(loss(leaf), leaf, create_graph=True)
    return _slope(slope, leaf, vector)


def gauss_newton_product(outputs: Function, loss: Function, parameters: Tensor, vector: Tensor) -> Tensor:
    """Jᵀ B J v, ``(parameter,)``: B is the Hessian of the scalar ``loss`` by what ``outputs`` gives (Schraudolph 2002).

    The Hessian of the loss without what the outputs bend: never negative where the loss is convex in them.
    """
    leaf = parameters.detach().requires_grad_()
    found = outputs(leaf)
    (changed,) = _along(leaf, found, [vector])
    held = found.detach().requires_grad_()
    (slope,) = torch.autograd.grad(loss(held), held, create_graph=True)
    return _slope(found, leaf, _slope(slope, held, changed))


def _along(leaf: Tensor, found: Tensor, vectors: Sequence[Tensor]) -> list[Tensor]:
    unit = torch.zeros_like(found, requires_grad=True)
    (pulled,) = torch.autograd.grad(found, leaf, unit, create_graph=True)
    return [_slope(pulled, unit, vector) for vector in vectors]


def _slope(found: Tensor, by: Tensor, weights: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(found, by, weights, retain_graph=True, materialize_grads=True, allow_unused=True)
    return slope.detach()
