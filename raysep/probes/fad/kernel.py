"""Kernel Audio Distance: the unbiased squared maximum mean discrepancy with a Gaussian kernel, times 100.

    KAD = 100 · (mean k(r, r') + mean k(s, s') - 2 mean k(r, s)),   k(x, y) = exp(-‖x - y‖² / 2σ²)

after Chung et al., arXiv 2502.15602, with the mean over distinct pairs within a set.
The bandwidth σ is the median pairwise distance *of the reference*, as the paper has it: taken from each stem, as
kadtk 1.1.0 does, every stem is measured by a scale of its own and the scores do not compare.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from raysep.probes.fad.neighbours import MOST_FRAMES, squared_distances, thinned

SCALE = 100.0
NUMBERS_AT_ONCE = 2**21  # of the kernel between stems and reference: bounds memory
Precision = Literal["float64", "float32"]


@dataclass(frozen=True, eq=False)
class KernelReference:
    """All that a stem needs of the reference, computed once."""

    mean: np.ndarray  # (dimension,) subtracted on both sides, so that the expanded |x - y|² does not cancel
    frames: np.ndarray  # (reference frame, dimension) float64, about the mean
    bandwidth: float  # σ
    within: float  # mean kernel over distinct pairs of reference frames

    @classmethod
    def from_frames(
        cls, frames: np.ndarray, bandwidth: float | None = None, most: int = MOST_FRAMES, seed: int = 0
    ) -> KernelReference:
        """Of ``(n, dimension)`` frames, n ≥ 2; more than ``most`` are thinned at random by the seed.

        ``bandwidth`` replaces the median pairwise distance. Raises ``ValueError`` for fewer than two frames.
        """
        frames = thinned(np.asarray(frames, dtype=np.float64), most, seed)
        if frames.ndim != 2 or len(frames) < 2:
            raise ValueError(f"a kernel reference needs (n, dimension) frames with n ≥ 2, not {frames.shape}")
        mean = frames.mean(axis=0)
        centred = frames - mean
        squared = squared_distances(centred, centred)[np.triu_indices(len(centred), 1)]
        if bandwidth is None:
            bandwidth = float(np.sqrt(np.median(squared)))
        if not bandwidth > 0.0:
            raise ValueError("the reference frames are all the same: their median distance gives no bandwidth")
        return cls(mean, centred, bandwidth, float(np.exp(-squared / (2.0 * bandwidth**2)).mean()))

    def to_bytes(self) -> bytes:
        stream = io.BytesIO()
        np.savez(stream, mean=self.mean, frames=self.frames, bandwidth=self.bandwidth, within=self.within)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> KernelReference:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(arrays["mean"], arrays["frames"], float(arrays["bandwidth"]), float(arrays["within"]))


def kernel_distances(
    stems: Sequence[np.ndarray], reference: KernelReference, precision: Precision = "float32"
) -> np.ndarray:
    """``(stem,)`` KAD of many stems' ``(n, dimension)`` frames, n ≥ 2; higher = further, around zero = no difference.

    One product and one exponential serve many stems. They are done in single precision, which moves a score by less
    than 1e-4 (1e-6 as a rule: rounding averages out); ``precision="float64"`` takes twice the time. Raises
    ``ValueError`` for n < 2 or another dimension.
    """
    for frames in stems:
        if frames.ndim != 2 or frames.shape[1] != len(reference.mean) or len(frames) < 2:
            raise ValueError(f"frames must be (n ≥ 2, {len(reference.mean)}), not {frames.shape}")
    there = reference.frames.astype(precision, copy=False)
    there_norms = np.einsum("nd,nd->n", reference.frames, reference.frames)
    between, own = np.empty(len(stems)), np.empty(len(stems))
    for group in _groups([len(frames) for frames in stems], len(there)):
        here = [stems[i].astype(np.float64) - reference.mean for i in group]
        rows = np.concatenate(here)
        norms = np.einsum("nd,nd->n", rows, rows)
        kernel = rows.astype(precision, copy=False) @ there.T
        _gaussian(kernel, norms, there_norms, reference.bandwidth)
        means = kernel.mean(axis=1, dtype=np.float64)
        ends = np.cumsum([len(frames) for frames in here])
        for i, frames, part in zip(group, here, np.split(means, ends[:-1]), strict=True):
            between[i] = part.mean()
            own[i] = _within(frames, reference.bandwidth)
    return SCALE * (reference.within + own - 2.0 * between)


def _groups(lengths: Sequence[int], reference_count: int) -> list[list[int]]:
    """Neighbouring stems whose kernel with the reference fits into ``NUMBERS_AT_ONCE``, at least one each."""
    groups: list[list[int]] = []
    room = 0
    for index, n in enumerate(lengths):
        if not groups or room < n * reference_count:
            groups.append([])
            room = NUMBERS_AT_ONCE
        groups[-1].append(index)
        room -= n * reference_count
    return groups


def _gaussian(products: np.ndarray, left: np.ndarray, right: np.ndarray, bandwidth: float) -> None:
    """Inner products ``(n, m)`` to kernel values, in place; ``left`` and ``right`` are the squared norms."""
    scale = 1.0 / (2.0 * bandwidth**2)
    products *= products.dtype.type(2.0 * scale)
    products -= (scale * left).astype(products.dtype)[:, None]
    products -= (scale * right).astype(products.dtype)[None, :]
    np.minimum(products, 0.0, out=products)
    np.exp(products, out=products)


def _within(frames: np.ndarray, bandwidth: float) -> float:
    """Mean kernel over the distinct pairs of ``(n, dimension)``."""
    n = len(frames)
    squared = squared_distances(frames, frames)
    return float((np.exp(-squared / (2.0 * bandwidth**2)).sum() - n) / (n * (n - 1)))
