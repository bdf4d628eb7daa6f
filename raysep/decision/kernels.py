"""Sums of Gaussian kernels in one dimension, at many places at once.

n kernels at m places are n · m exponentials. The sum is a curve that bends on the scale of the bandwidth, so it is taken, with its
first two derivatives, at the nodes of a grid, and between them from the polynomial of fifth degree that has those (Hermite's):
with 16 nodes to a bandwidth the relative error is below 1e-8 wherever a kernel is near. A node asks only the kernels in its
window. So the work is linear in n and in m. Where there are fewer places than nodes, every place is asked itself.
"""

from __future__ import annotations

import numpy as np

NODES = 16  # to a bandwidth
REACH = 12.0  # bandwidths from a kernel to where it is below 1e-31 of its height
ALL = 512  # kernels of which none is left out
BLOCK = 64  # nodes that share a window
AT_ONCE = 1 << 20  # exponentials held in memory


def kernel_sum(values: np.ndarray, weights: np.ndarray, bandwidth: float, at: np.ndarray) -> np.ndarray:
    """``Σ weights · φ((at - values) / bandwidth) / bandwidth``, ``(m,)``.

    Args:
        values: where the kernels are, ``(n,)``, ascending.
        at: in any order.
    """
    if not len(at):
        return np.zeros(0)
    low, high = float(at.min()), float(at.max())
    step = bandwidth / NODES
    count = int(np.ceil((high - low) / step)) + 2
    if len(at) <= 4 * count:
        return kernel_sum_directly(values, weights, bandwidth, at)
    nodes = low + step * np.arange(count)
    sums = np.zeros((3, count))
    for first in range(0, count, BLOCK):
        some = nodes[first : first + BLOCK]
        inside = slice(0, len(values))
        if len(values) > ALL:
            edges = (some[0] - REACH * bandwidth, some[-1] + REACH * bandwidth)
            inside = slice(*np.searchsorted(values, edges))
        z = (some[:, None] - values[inside]) / bandwidth
        kernel = _normal(z)
        for order, factor in enumerate((1.0, -z, z**2 - 1)):
            sums[order, first : first + BLOCK] = (kernel * factor) @ weights[inside] / bandwidth
    # Derivatives by the node's number.
    return _between(sums[0], sums[1] / NODES, sums[2] / NODES**2, (at - low) / step)


def kernel_sum_directly(values: np.ndarray, weights: np.ndarray, bandwidth: float, at: np.ndarray) -> np.ndarray:
    """The same, of every kernel at every place."""
    rows = max(1, AT_ONCE // max(1, len(values)))
    parts = (at[first : first + rows, None] for first in range(0, len(at), rows))
    return np.concatenate([_normal((part - values) / bandwidth) @ weights / bandwidth for part in parts])


def _between(value: np.ndarray, slope: np.ndarray, bend: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The curve with these values and derivatives at the nodes 0, 1, 2 …, at ``place``."""
    node = np.minimum(place.astype(np.int64), len(value) - 2)
    t = place - node
    rise = np.diff(value)
    (d0, d1), (s0, s1) = ((each[:-1], each[1:]) for each in (slope, bend))
    powers = (
        6 * rise - 3 * (d0 + d1) + 0.5 * (s1 - s0),
        -15 * rise + 8 * d0 + 7 * d1 + 1.5 * s0 - s1,
        10 * rise - 6 * d0 - 4 * d1 - 1.5 * s0 + 0.5 * s1,
        0.5 * s0,
        d0,
        value[:-1],
    )
    found = np.zeros(len(place))
    for power in powers:
        found = found * t + power[node]
    return found


def _normal(z: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
