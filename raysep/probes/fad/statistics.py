"""Mean and covariance of reference frames: float64, mergeable across shards.

Kept as count, mean and scatter (the sum of outer products about the mean) and merged by the update of Chan, Golub and
LeVeque, which stays exact where raw sums cancel. Merging in a fixed tree makes the result the same to the last bit
whatever order the shards arrived in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class ReferenceStatistics:
    count: int
    mean: np.ndarray  # (dimension,) float64
    scatter: np.ndarray  # (dimension, dimension) float64: sum of (x - mean)(x - mean)ᵀ

    @classmethod
    def from_frames(cls, frames: np.ndarray) -> ReferenceStatistics:
        """Of ``(n, dimension)`` frames, n ≥ 1. Raises ``ValueError`` for another shape or values not finite."""
        frames = np.asarray(frames, dtype=np.float64)
        if frames.ndim != 2 or not len(frames):
            raise ValueError(f"frames must be (n, dimension) with n ≥ 1, not {frames.shape}")
        if not np.isfinite(frames).all():
            raise ValueError("frames hold values that are not finite")
        mean = frames.mean(axis=0)
        centred = frames - mean
        # The centred rows sum to zero only up to rounding; putting the residue back into the mean removes it.
        residue = centred.mean(axis=0)
        centred -= residue
        return cls(len(frames), mean + residue, centred.T @ centred)

    def merge(self, other: ReferenceStatistics) -> ReferenceStatistics:
        """The statistics of both sets of frames together."""
        count = self.count + other.count
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.count / count)
        scatter = self.scatter + other.scatter + np.outer(shift, shift) * (self.count * other.count / count)
        return ReferenceStatistics(count, mean, scatter)

    @property
    def dimension(self) -> int:
        return len(self.mean)

    @cached_property
    def covariance(self) -> np.ndarray:
        """``(dimension, dimension)``, divided by n - 1. Raises ``ValueError`` for fewer than two frames."""
        if self.count < 2:
            raise ValueError(f"a covariance needs at least two frames, not {self.count}")
        return self.scatter / (self.count - 1)

    @cached_property
    def factor(self) -> np.ndarray:
        """F ``(dimension, rank)`` with F Fᵀ = covariance.

        Eigenvalues at the level of rounding are dropped: when there are fewer frames than dimensions they are zeros
        whose square root would turn 1e-16 into 1e-8.
        """
        values, vectors = np.linalg.eigh(self.covariance)
        kept = values > max(values[-1], 0.0) * self.dimension * np.finfo(np.float64).eps
        return vectors[:, kept] * np.sqrt(values[kept])

    def to_bytes(self) -> bytes:
        from safetensors.numpy import save

        return save({"count": np.array([self.count]), "mean": self.mean, "scatter": self.scatter})

    @classmethod
    def from_bytes(cls, data: bytes) -> ReferenceStatistics:
        from safetensors.numpy import load

        arrays = load(data)
        return cls(int(arrays["count"][0]), arrays["mean"], arrays["scatter"])


def merge_all(parts: Mapping[str, ReferenceStatistics]) -> ReferenceStatistics:
    """Merge shards in a balanced tree over their sorted names: arrival order changes no bit."""
    if not parts:
        raise ValueError("nothing to merge")
    level = [parts[name] for name in sorted(parts)]
    while len(level) > 1:
        pairs = [level[i].merge(level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[2 * len(pairs) :]
    return level[0]
