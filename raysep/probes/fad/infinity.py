"""FAD-∞: the Fréchet distance of a whole set, extrapolated to infinitely many frames.

A straight line in 1/n through the distances of random draws of n frames, read off at 1/n = 0 (Chong and Forsyth,
arXiv 1911.07023; for audio Gui, Gamper, Braun and Emmanouilidou, arXiv 2311.01616), with the sizes and the drawing with
replacement of fadtk 1.1.0. For sets of thousands of frames: it does not repair the distance of one short stem. Drawn
with replacement, the line leads to the distance of the set as it is, not to that of more audio like it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raysep.errors import BadInput
from raysep.probes.fad.distance import frechet_distance
from raysep.probes.fad.statistics import ReferenceStatistics


@dataclass(frozen=True, eq=False)
class Extrapolation:
    distance: float  # FAD-∞: where the line meets 1/n = 0
    slope: float
    r2: float  # share of the variance over sizes that the line explains; NaN when they are all equal
    sizes: np.ndarray  # (step,) frames drawn
    distances: np.ndarray  # (step,)


def frechet_distance_infinity(
    frames: np.ndarray, reference: ReferenceStatistics, steps: int = 25, least: int = 500, seed: int = 0
) -> Extrapolation:
    """Of all ``(n, dimension)`` frames of a set, n > ``least``: ``steps`` draws of ``least`` … n frames.

    The same seed draws the same frames. Of not many more than ``least`` frames it is noise: ``set_level.LEAST``. Raises
    ``BadInput`` when there are no more than ``least`` frames, or fewer than two steps: a line needs two different sizes.
    """
    if len(frames) <= least or steps < 2:
        raise BadInput(
            f"FAD-∞ extrapolates from {steps} draws of {least} frames up to all {len(frames)}: it needs at least two "
            f"draws and more than {least} frames; give more audio or a smaller least number of frames"
        )
    sizes = np.linspace(least, len(frames), steps).astype(int)
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(frames), size=n) for n in sizes]
    distances = np.array([frechet_distance(frames[draw], reference) for draw in draws])
    return line(sizes, distances)


def line(sizes: np.ndarray, distances: np.ndarray) -> Extrapolation:
    """Least squares over 1/n."""
    slope, intercept = np.polyfit(1.0 / sizes, distances, 1)
    residue = np.square(distances - (intercept + slope / sizes)).sum()
    spread = np.square(distances - distances.mean()).sum()
    r2 = 1.0 - residue / spread if spread > 0.0 else float("nan")
    return Extrapolation(float(intercept), float(slope), float(r2), sizes, distances)
