"""Convolutions of 3×3 with a quarter of the multiplications: Winograd's minimal filtering, 4×4 results at a time.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. Along one axis, four results of three
weights over six samples are coefficients of a product of polynomials: both are evaluated at six points, multiplied there,
and the coefficients read off. Along two axes there are 36 points where a plain convolution multiplies 144 times, and
over channels each point is a product of two matrices. The rest is small matrix products too, in parts that stay in the cache.

A picture is ``(row, column, patch, channel)``, so that what is done to rows and columns goes over long runs of memory.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch

POINTS = (0.0, 1.0, -1.0, 2.0, -2.0)  # and infinity: sums of few powers of two keep float32's rounding small
TAPS, RESULTS = 3, 4
TILE = TAPS + RESULTS - 1
CACHE = 1 << 20  # numbers of one part's tiles, 4 MiB: half of that is 10 % slower, four times as much 20 %


class Axis(NamedTuple):
    """Matrices along one axis: ``back @ ((of_taps @ taps) * (of_samples @ samples))`` are the four results."""

    of_samples: np.ndarray  # (point, TILE)
    of_taps: np.ndarray  # (point, TAPS)
    back: np.ndarray  # (RESULTS, point)


class Picture(NamedTuple):
    """What a layer gives, in a frame of zeros as wide as the next layer's tiles reach."""

    framed: torch.Tensor  # (1 + row + at least 1, 1 + column + at least 1, patch, channel)
    rows: int
    columns: int

    @property
    def inside(self) -> torch.Tensor:
        return self.framed[1 : 1 + self.rows, 1 : 1 + self.columns]


@cache
def axis() -> Axis:
    """Powers of the points for the results, of the taps the same divided by their distances to the others.

    What remains, of the samples, follows: result i is the sum over r of tap r times sample i + r.
    """
    distances = [np.prod([p - q for q in POINTS if q != p]) for p in POINTS]
    of_taps = np.array([[p**r / d for r in range(TAPS)] for p, d in zip(POINTS, distances, strict=True)])
    of_taps = np.vstack([of_taps, [0.0] * (TAPS - 1) + [1.0]])
    back = np.array([[p**i for p in POINTS] + [float(i == RESULTS - 1)] for i in range(RESULTS)])
    pairs = (back[:, None, :] * of_taps.T[None, :, :]).reshape(RESULTS * TAPS, -1)
    wanted = [[float(i + r == at) for at in range(TILE)] for i in range(RESULTS) for r in range(TAPS)]
    return Axis(np.linalg.lstsq(pairs, np.array(wanted), rcond=None)[0], of_taps, back)


@cache
def both_axes() -> tuple[torch.Tensor, torch.Tensor]:
    """``(36, 36)`` of a tile's samples, and ``(16, 36)`` back, float32."""
    matrices = axis()
    of_tile, back = (np.kron(m, m).astype(np.float32) for m in (matrices.of_samples, matrices.back))
    return torch.from_numpy(of_tile), torch.from_numpy(back)


def at_points(weight: torch.Tensor) -> torch.Tensor:
    """``(out, in, 3, 3)`` to ``(36, in, out)`` float32, calculated in float64."""
    of_taps = torch.from_numpy(np.kron(axis().of_taps, axis().of_taps))
    flat = weight.detach().cpu().double().permute(2, 3, 1, 0).reshape(TAPS * TAPS, -1)
    return (of_taps @ flat).float().unflatten(1, (weight.shape[1], weight.shape[0]))


def convolve(picture: Picture, points: torch.Tensor, bias: torch.Tensor, halve: bool = False) -> Picture:
    """ReLU of the convolution with zeros around, of the same size; with ``halve`` the greatest of each 2×2 (an odd last one left out).

    ``points`` is ``at_points`` of its weight, ``bias`` is ``(out,)``. Floats are rounded in another order than by a plain convolution.
    """
    of_tile, back = both_axes()
    step = RESULTS // 2 if halve else RESULTS
    rows, columns = (size // 2 if halve else size for size in (picture.rows, picture.columns))
    tall, wide = -(-rows // step), -(-columns // step)
    patches, channels = picture.framed.shape[2:]
    tiles = picture.framed.unfold(0, TILE, RESULTS)[:tall].unfold(1, TILE, RESULTS)[:, :wide]
    result = blank(rows, columns, patches, points.shape[2])
    room = result.framed[1 : 1 + step * tall, 1 : 1 + step * wide]
    room = room.unflatten(0, (tall, step)).unflatten(2, (wide, step))  # (tall, step, wide, step, patch, out)
    at_once = max(1, CACHE // (TILE * TILE * wide * patches * max(channels, points.shape[2])))
    for begin in range(0, tall, at_once):
        part = tiles[begin : begin + at_once].permute(4, 5, 0, 1, 2, 3)  # (6, 6, tall, wide, patch, in)
        values = (of_tile @ part.reshape(TILE * TILE, -1)).view(TILE * TILE, -1, channels)
        products = torch.bmm(values, points).view(TILE * TILE, -1)
        found = (back @ products).view(RESULTS, RESULTS, *part.shape[2:5], -1)
        if halve:  # the bias is the same for all, and a ReLU keeps their order: both can wait
            found = torch.maximum(found[0::2], found[1::2])
            found = torch.maximum(found[:, 0::2], found[:, 1::2])
        room[begin : begin + at_once] = found.add_(bias).relu_().permute(2, 0, 3, 1, 4, 5)
    return _edged(result)


def blank(rows: int, columns: int, patches: int, channels: int) -> Picture:
    """Not yet filled, its frame neither."""
    framed = (RESULTS * -(-size // RESULTS) + 2 for size in (rows, columns))
    return Picture(torch.empty(*framed, patches, channels), rows, columns)


def _edged(picture: Picture) -> Picture:
    """Zeros wherever a layer's tiles look beyond the picture."""
    framed, rows, columns = picture
    for edge in (framed[0], framed[1 + rows :], framed[:, 0], framed[:, 1 + columns :]):
        edge.zero_()
    return picture


def first_layer(patches: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> Picture:
    """ReLU of the convolution of ``(patch, row, column)``, of one channel, by ``(out, 1, 3, 3)``, plainly."""
    count, rows, columns = patches.shape
    result = blank(rows, columns, count, len(weight))
    framed = torch.nn.functional.pad(patches.permute(1, 2, 0), (0, 0, 1, 1, 1, 1))
    windows = framed.unfold(0, TAPS, 1).unfold(1, TAPS, 1)  # (row, column, patch, 3, 3)
    taps = weight.flatten(1).T  # (9, out)
    for row, each in zip(result.inside, windows, strict=True):
        row[:] = torch.addmm(bias, each.reshape(-1, TAPS * TAPS), taps).relu_().view(row.shape)
    return _edged(result)
