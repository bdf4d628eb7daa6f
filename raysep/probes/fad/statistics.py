"""Mean and covariance of reference frames: float64, mergeable across shards, exact for near-singular sets too.

Kept as count, mean and a *root* of the scatter (the sum of outer products about the mean): a matrix with at most
``dimension`` rows and rootᵀ root = scatter, made by orthogonal contrasts and QR. The distance needs square roots of
covariance eigenvalues; forming the scatter first would leave an error of 1e-16 in an eigenvalue and so 1e-8 in its
root, while the root form keeps 1e-16. The root of two sets together is that of both roots stacked, with one row for the
difference of the means (the update of Chan, Golub and LeVeque 1983).

A merged set keeps its parts until somebody asks for a number and then joins them in a balanced tree ordered by their
content, so merging is commutative and associative to the last bit: no arrival order changes anything. It is saved with
its parts, so that merging what was saved is too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

ROWS_AT_ONCE = 4096  # of a QR: bounds memory
EPSILON = np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Part:
    """One set of frames."""

    count: int
    mean: np.ndarray  # (dimension,) float64
    root: np.ndarray  # (at most dimension, dimension) float64: rootᵀ root = scatter about the mean

    @cached_property
    def key(self) -> bytes:
        digest = hashlib.blake2b(self.count.to_bytes(8, "little"), digest_size=16)
        digest.update(np.ascontiguousarray(self.mean).data)
        digest.update(np.ascontiguousarray(self.root).data)
        return digest.digest()


class ReferenceStatistics:
    """Count, mean and covariance of ``(n, dimension)`` frames. Immutable; made by ``from_frames`` and ``merge``."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)

    @classmethod
    def from_frames(cls, frames: np.ndarray) -> ReferenceStatistics:
        """Of ``(n, dimension)`` frames, n ≥ 1. Raises ``ValueError`` for another shape or values not finite."""
        frames = np.asarray(frames)
        if frames.ndim != 2 or not frames.size:
            raise ValueError(f"frames must be (n, dimension) with n ≥ 1, not {frames.shape}")
        if not np.isfinite(frames).all():
            raise ValueError("frames hold values that are not finite")
        count, dimension = frames.shape
        mean = frames.mean(axis=0, dtype=np.float64)
        # Centred rows sum to zero only up to rounding; putting the residue back into the mean removes it.
        mean = mean + (frames - mean).mean(axis=0)
        if count <= dimension:
            return cls([Part(count, mean, helmert(count) @ (frames - mean))])
        root = np.zeros((0, dimension))
        for first in range(0, count, ROWS_AT_ONCE):
            root = triangle(np.vstack([root, frames[first : first + ROWS_AT_ONCE] - mean]))
        return cls([Part(count, mean, root)])

    def merge(self, *others: ReferenceStatistics) -> ReferenceStatistics:
        """The statistics of all these sets of frames together, the same to the last bit in any order of merging."""
        everyone = [part for statistics in (self, *others) for part in statistics._parts]
        if len({len(part.mean) for part in everyone}) > 1:
            raise ValueError(f"cannot merge frames of dimensions {sorted({len(part.mean) for part in everyone})}")
        return ReferenceStatistics(sorted(everyone, key=lambda part: part.key))

    @cached_property
    def _whole(self) -> Part:
        level = list(self._parts)
        while len(level) > 1:
            pairs = [join(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
            level = pairs + level[2 * len(pairs) :]
        return level[0]

    @property
    def count(self) -> int:
        return sum(part.count for part in self._parts)

    @property
    def dimension(self) -> int:
        return len(self._parts[0].mean)

    @property
    def mean(self) -> np.ndarray:
        """``(dimension,)``."""
        return self._whole.mean

    @property
    def root(self) -> np.ndarray:
        """``(at most dimension, dimension)`` with rootᵀ root = (count - 1) · covariance."""
        return self._whole.root

    @cached_property
    def covariance(self) -> np.ndarray:
        """``(dimension, dimension)``, divided by n - 1. Raises ``ValueError`` for fewer than two frames."""
        self._check_count()
        return self.root.T @ self.root / (self.count - 1)

    @cached_property
    def trace(self) -> float:
        """Of the covariance."""
        self._check_count()
        return float(np.square(self.root).sum() / (self.count - 1))

    @cached_property
    def factor(self) -> np.ndarray:
        """F ``(dimension, rank)`` with F Fᵀ = covariance.

        A root without full rank is cut down to its rank: its zeros would be zeros of every stem's Gram matrix.
        """
        self._check_count()
        root = self.root / np.sqrt(self.count - 1)
        scale = np.linalg.norm(root, axis=1) if len(root) else np.zeros(0)
        square = len(root) == self.dimension
        # A triangle is singular when its diagonal has a zero; contrasts of few frames are tried the same way.
        diagonal = np.abs(np.diagonal(root if square else triangle(root.T)))
        if len(scale) and diagonal.min() > 1e3 * self.dimension * EPSILON * scale.max():
            return np.ascontiguousarray(root.T)
        _, values, directions = np.linalg.svd(root, full_matrices=False)
        kept = values > self.dimension * EPSILON * values.max(initial=0.0)
        return np.ascontiguousarray((directions[kept] * values[kept, None]).T)

    def _check_count(self) -> None:
        if self.count < 2:
            raise ValueError(f"a covariance needs at least two frames, not {self.count}")

    def to_bytes(self) -> bytes:
        """At most dimension · (dimension + 1) float64 for each set of frames that was merged."""
        from safetensors.numpy import save

        arrays = {
            "count": np.array([part.count for part in self._parts]),
            "mean": np.concatenate([part.mean for part in self._parts]),
            "root": np.ascontiguousarray(np.concatenate([part.root for part in self._parts])),
            "rows": np.array([len(part.root) for part in self._parts]),
        }
        return save(arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> ReferenceStatistics:
        from safetensors.numpy import load

        arrays = load(data)
        counts, root = arrays["count"], arrays["root"]
        rows = arrays.get("rows", [len(root)])  # there was one part only before parts were kept
        means, roots = np.split(arrays["mean"], len(counts)), np.split(root, np.cumsum(rows)[:-1])
        return cls([Part(int(count), *two) for count, *two in zip(counts, means, roots, strict=True)])


def join(one: Part, two: Part) -> Part:
    """Both sets of frames as one."""
    count = one.count + two.count
    shift = two.mean - one.mean
    between = np.sqrt(one.count * two.count / count) * shift
    rows = np.vstack([one.root, two.root, between])
    return Part(count, one.mean + shift * (two.count / count), triangle(rows) if len(rows) > rows.shape[1] else rows)


def leave_one_out(parts: Sequence[ReferenceStatistics]) -> list[ReferenceStatistics]:
    """For each of at least two sets of frames, the statistics of all others: running joins from both ends."""
    if len(parts) < 2:
        raise ValueError(f"leaving one out needs at least two sets of frames, not {len(parts)}")
    wholes = [part._whole for part in parts]
    before, after = [wholes[0]], [wholes[-1]]
    for index in range(1, len(wholes) - 1):
        before.append(join(before[-1], wholes[index]))
        after.append(join(wholes[-1 - index], after[-1]))
    after.reverse()  # after[i] holds the sets from i + 1 on, before[i] those up to i
    middle = [join(before[i - 1], after[i]) for i in range(1, len(wholes) - 1)]
    return [ReferenceStatistics([part]) for part in (after[0], *middle, before[-1])]


def triangle(rows: np.ndarray) -> np.ndarray:
    """R ``(min(n, dimension), dimension)``, upper triangular, with RᵀR = rowsᵀ rows."""
    return np.linalg.qr(rows, mode="r")  # type: ignore[return-value]  # numpy's stub knows only the mode with Q


@lru_cache(maxsize=16)
def helmert(n: int) -> np.ndarray:
    """``(n - 1, n)`` orthonormal contrasts: row k compares item k + 1 with the mean of those before it.

    They keep the scatter of n rows about their mean and, unlike rows with the mean subtracted, have full rank.
    """
    k = np.arange(1, n)[:, None]
    below = np.arange(n)[None, :] < k
    contrast = np.where(below, 1.0, 0.0) / np.sqrt(k * (k + 1))
    contrast[np.arange(n - 1), np.arange(1, n)] = -np.sqrt(k[:, 0] / (k[:, 0] + 1))
    contrast.setflags(write=False)
    return contrast
