"""Which stems are unlike the others of their label, and which are like another label's: a ranking without a reference.

Nothing here is a verdict. What is rare in a corpus is far from the rest of it, be it right or wrong; a fault that half of
the corpus has is not far. The stems themselves are all there is to compare with, each with those of the other tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raysep.probes.fad.neighbours import squared_distances

NEIGHBOURS = 5
LEAST_SPREAD = 0.01  # of a dimension's deviation: one that hardly ever moves would outweigh all others
FEWEST = 8  # stems of a label: of fewer none is unusual


@dataclass(frozen=True)
class Standing:
    """Of one stem. NaN and no label where there are too few to compare with."""

    unusual: float  # distance to the middle of its label's others, over what is usual in the label: 1 = as they are
    nearest: str  # the other label that it is most like
    other: float  # distance to its own label's nearest over that to the other's: above 1 it sounds more like the other


def standings(vectors: np.ndarray, labels: Sequence[str], tracks: Sequence[str]) -> list[Standing]:
    """Of stems with the mean embeddings ``(stem, dimension)``; each is compared with stems of other tracks alone."""
    names = sorted({label for label in labels if list(labels).count(label) >= FEWEST})
    own, track = np.array(labels, object), np.array(tracks, object)
    if not names:
        return [Standing(float("nan"), "", float("nan")) for _ in labels]
    scaled = _scaled(vectors, own, names)
    squared = squared_distances(scaled, scaled)
    squared[track[:, None] == track[None, :]] = np.inf
    near = {name: _nearest(squared[:, own == name]) for name in names}
    apart = np.full(len(own), np.nan)
    for name in names:
        apart[own == name] = _from_the_middle(scaled[own == name])
    return [_standing(float(apart[row]), row, own[row], near) for row in range(len(labels))]


def _standing(apart: float, row: int, label: str, near: dict[str, np.ndarray]) -> Standing:
    if label not in near:
        return Standing(float("nan"), "", float("nan"))
    others = {name: float(near[name][row]) for name in near if name != label}
    nearest = min(others, key=others.__getitem__, default="")
    ratio = float(near[label][row]) / others[nearest] if nearest and others[nearest] else float("nan")
    return Standing(apart, nearest, ratio)


def _from_the_middle(vectors: np.ndarray) -> np.ndarray:
    """``(stem,)`` distance to the medians of the others, over the median of these distances."""
    apart = np.linalg.norm(vectors - _medians_of_others(vectors), axis=1)
    usual = float(np.median(apart))
    return np.asarray(apart / usual if usual else np.full(len(apart), np.nan))


def _medians_of_others(vectors: np.ndarray) -> np.ndarray:
    """``(stem, dimension)``: for each stem, the median of all but itself in each dimension."""
    ordered, ranks = np.sort(vectors, axis=0), vectors.argsort(axis=0).argsort(axis=0)
    low, high = (len(vectors) - 2) // 2, (len(vectors) - 1) // 2  # of the others, as many as there are but one
    found = [np.take_along_axis(ordered, place + (ranks <= place), axis=0) for place in (low, high)]
    return np.asarray((found[0] + found[1]) / 2)


def _scaled(vectors: np.ndarray, own: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Each dimension over its spread within the labels, by medians: a few odd stems do not move it."""
    vectors = np.asarray(vectors, np.float64)
    within = [
        np.median(np.abs(vectors[own == name] - np.median(vectors[own == name], axis=0)), axis=0) for name in names
    ]
    spread = np.mean(within, axis=0)
    usable = spread > LEAST_SPREAD * vectors.std(axis=0)
    centred = vectors[:, usable] - np.median(vectors[:, usable], axis=0)
    return np.asarray(centred / spread[usable])


def _nearest(squared: np.ndarray) -> np.ndarray:
    """``(stem,)`` root mean square distance to the nearest ones of the columns."""
    k = min(NEIGHBOURS, squared.shape[1])
    return np.asarray(np.sqrt(np.partition(squared, k - 1, axis=1)[:, :k].mean(axis=1)))
