"""How unusual a probe's number is: a few numbers of each label, by which that of any stem is told.

Where all usual stems have one and the same number, as a share of gaps is 0 of most, there is no spread: then the distance from
it counts against the typical such distance, and is news.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raysep.decision.features import Scale, scale_of

NEWS = 8.0  # spreads that the typical difference counts as where all usual stems have one and the same number


class Usual(NamedTuple):
    """Of one probe, by the number of a label and fold ``(peer,)``."""

    scale: Scale  # ``(peer, 1)``
    one: np.ndarray  # the number that all usual stems have; NaN where they differ
    typical: np.ndarray  # how far below it those are that are below; infinite where none is
    least: np.ndarray  # of all scores; NaN where there is none
    most: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, peer: np.ndarray, usual: np.ndarray, peers: int) -> Usual:
        """Of scores ``(row,)``, of which ``usual`` say what is usual."""
        one, typical, least, most = (np.full(peers, np.nan) for _ in range(4))
        typical[:] = np.inf
        for number in range(peers):
            mine = peer == number
            own = values[mine]
            known, known_usual = own[np.isfinite(own)], own[usual[mine] & np.isfinite(own)]
            if len(known):
                least[number], most[number] = known.min(), known.max()
            if len(known_usual) and known_usual.min() == known_usual.max():
                one[number] = known_usual[0]
                below = one[number] - known
                typical[number] = np.median(below[below > 0]) if (below > 0).any() else np.inf
        return cls(scale_of(values[:, None], peer, usual, peers), one, typical, least, most)

    @property
    def map(self) -> tuple[np.ndarray, ...]:
        """What ``z_of`` takes, by peer."""
        return self.scale.centre[:, 0], self.scale.spread[:, 0], self.one, self.typical

    def z(self, values: np.ndarray, peer: np.ndarray) -> np.ndarray:
        """Of scores ``(row,)``."""
        return z_of(values, *(each[peer] for each in self.map))

    def z_between(self, peer: int, values: np.ndarray) -> np.ndarray:
        """Of other scores ``(n,)``: on the line through the least and the most; 0 where there is none."""
        low, high = float(self.least[peer]), float(self.most[peer])
        if not high > low:
            return np.zeros(len(values))
        at_low, at_high = self.z(np.array([low, high]), np.array([peer, peer])).tolist()
        return at_low + (at_high - at_low) / (high - low) * (values - low)


def z_of(
    values: np.ndarray, centre: np.ndarray, spread: np.ndarray, one: np.ndarray, typical: np.ndarray
) -> np.ndarray:
    """Of scores, each by its own map; higher = more suspect, 0 where nothing is usual, NaN where there is no score."""
    z = (values - centre) / spread
    z = -np.where(np.isfinite(z), z, 0.0)
    z = np.where(np.isfinite(one), NEWS * (one - values) / typical, z)
    return np.where(np.isfinite(values), z, np.nan)
