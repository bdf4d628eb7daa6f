"""Conjugate gradients: (A + D) x = b by products with A alone, D a positive diagonal (Hestenes & Stiefel 1952).

Preconditioned by D. A Hessian of a network need not be positive: where a direction bends downwards, the search ends with
what it has (Steihaug 1983; "Hessian-free" training, Martens 2010).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Solution:
    x: Tensor
    residual: float  # |b - (A + D) x| / |b|
    iterations: int
    bent_down: bool  # a direction of negative curvature ended it


def solve(
    product: Callable[[Tensor], Tensor],
    right: Tensor,
    damping: Tensor,
    iterations: int = 20,
    tolerance: float = 1e-6,
) -> Solution:
    """x for ``product`` = A·, ``right`` = b and ``damping`` = D, all ``(parameter,)``; sums in float64.

    Ends at a relative residual of ``tolerance``, after ``iterations``, or where curvature is not positive.
    """
    x, left = torch.zeros_like(right, dtype=torch.float64), right.double()
    diagonal, length = damping.double(), float(torch.linalg.vector_norm(left))
    if not length:
        return Solution(x.to(right), 0.0, 0, False)
    steered = left / diagonal
    way, falling = steered, float(left @ steered)
    for done in range(iterations):
        if float(torch.linalg.vector_norm(left)) <= tolerance * length:
            break
        bent = product(way.to(right)).double() + diagonal * way
        curvature = float(way @ bent)
        if not curvature > 0:
            return Solution(x.to(right), float(torch.linalg.vector_norm(left)) / length, done, True)
        x, left = x + falling / curvature * way, left - falling / curvature * bent
        steered = left / diagonal
        before, falling = falling, float(left @ steered)
        way = steered + falling / before * way
    else:
        done = iterations
    return Solution(x.to(right), float(torch.linalg.vector_norm(left)) / length, done, False)
