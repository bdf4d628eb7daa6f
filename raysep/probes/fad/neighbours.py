"""Per-frame distances to the reference: their averages have no length bias, since a mean of frames is linear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_FRAMES = 2000  # reference frames kept for neighbours and kernels: the cost of a stem grows with them


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """A Gaussian with shrunk covariance (Ledoit and Wolf 2004), and the frames themselves for nearest neighbours."""

    mean: np.ndarray  # (dimension,)
    whitener: np.ndarray  # (dimension, dimension) W with W Wᵀ = covariance⁻¹
    frames: np.ndarray  # (reference frame, dimension) float32

    @classmethod
    def from_frames(cls, frames: np.ndarray, seed: int = 0) -> Neighbourhood:
        """Of ``(n, dimension)`` reference frames, n ≥ 2."""
        from sklearn.covariance import ledoit_wolf

        frames = np.asarray(frames, dtype=np.float64)
        if len(frames) < 2:
            raise ValueError(f"a neighbourhood needs at least two frames, not {len(frames)}")
        covariance, _ = ledoit_wolf(frames)
        values, vectors = np.linalg.eigh(covariance)
        # Shrinkage keeps the values positive; identical frames leave none, and then a floor of one is as good as any.
        values = np.maximum(values, max(values[-1], 1.0) * 1e-12)
        kept = thinned(frames, MOST_FRAMES, seed).astype(np.float32)
        return cls(frames.mean(axis=0), vectors / np.sqrt(values), kept)

    def mahalanobis(self, frames: np.ndarray) -> np.ndarray:
        """``(n,)`` squared Mahalanobis distance over the dimension: about 1 for a frame like the reference's."""
        return np.square((frames - self.mean) @ self.whitener).mean(axis=1)

    def log_likelihood(self, frames: np.ndarray) -> np.ndarray:
        """``(n,)`` log density of the Gaussian, per dimension."""
        half_log_determinant = np.log(np.linalg.norm(self.whitener, axis=0)).mean()
        return half_log_determinant - 0.5 * np.log(2 * np.pi) - 0.5 * self.mahalanobis(frames)

    def nearest(self, frames: np.ndarray, k: int = 5) -> np.ndarray:
        """``(n,)`` mean Euclidean distance to the k nearest reference frames, over √dimension."""
        # The mean goes first and everything is float64: else the expanded |x - y|² cancels.
        here = np.asarray(frames, dtype=np.float64) - self.mean
        squared = squared_distances(here, self.frames.astype(np.float64) - self.mean)
        k = min(k, len(self.frames))
        return np.sqrt(np.partition(squared, k - 1, axis=1)[:, :k] / frames.shape[1]).mean(axis=1)


def squared_distances(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """``(n, m)`` |x - y|² of ``(n, dimension)`` and ``(m, dimension)``, expanded: both should be near the origin."""
    squared = np.square(here).sum(axis=1)[:, None] + np.square(there).sum(axis=1)[None, :] - 2.0 * (here @ there.T)
    if here is there:
        np.fill_diagonal(squared, 0.0)
    return np.maximum(squared, 0.0)


def thinned(frames: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most ``most`` of the frames, in their order, the same ones for the same seed and number of frames."""
    if len(frames) <= most:
        return frames
    return frames[np.sort(np.random.default_rng([seed, len(frames)]).permutation(len(frames))[:most])]
