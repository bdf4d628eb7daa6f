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

    unusual: float  # distance to its label's nearest, over what is usual in the label: 1 = as the others
    nearest: str  # the other label that it is most like
    other: float  # distance to its own label's nearest over that to the other's: above 1 it sounds more like the other


def standings(vectors: np.ndarray, labels: Sequence[str], tracks: Sequence[str]) -> list[Standing]:
    """Of stems with the mean embeddings ``(stem, dimension)``; each is compared with stems of other tracks alone."""
    names = sorted({label for label in labels if list(labels).count(label) >= FEWEST})
    own, track = np.array(labels, object), np.array(tracks, object)
    if not names:
        return [Standing(float("nan"), "", float("nan")) for _ in labels]
    squared = squared_distances(*(2 * (_scaled(vectors, own, names),)))
    squared[track[:, None] == track[None, :]] = np.inf
    near = {name: _nearest(squared[:, own == name]) for name in names}
    usual = {name: float(np.median(near[name][own == name])) for name in names}
    return [_standing(row, own[row], near, usual) for row in range(len(labels))]


def _standing(row: int, label: str, near: dict[str, np.ndarray], usual: dict[str, float]) -> Standing:
    if label not in near or not usual[label]:
        return Standing(float("nan"), "", float("nan"))
    here = float(near[label][row])
    others = {name: float(near[name][row]) for name in near if name != label}
    nearest = min(others, key=others.__getitem__, default="")
    ratio = here / others[nearest] if nearest and others[nearest] else float("nan")
    return Standing(here / usual[label], nearest, ratio)


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
