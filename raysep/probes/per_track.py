"""Unlearning one reference track at a time: many weight sets, and one score of what they say of a segment.

Joint unlearning lets loud reference tracks speak for all. Here each track r has its own θ⁻_r, and a segment's score is the mean
over r of the rank of its τ_r = L(z, θ⁻_r) - L(z, θ0) among the τ_r of corpus segments of the same label (a sample drawn once,
so that a segment's score does not depend on which others are scored). **Higher = cleaner**, 0 … 1.
Costs a forward pass for each reference track and mixture segment. Choi et al. 2025 (arXiv 2506.18312) average ranks likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from raysep.probes.probe import PER_TRACK, Probe
from raysep.probes.readings import Readings
from raysep.probes.unlearning import tau

if TYPE_CHECKING:
    from raysep.separators.base import Separator


@dataclass(frozen=True, eq=False)
class PerTrack:
    networks: tuple[Separator, ...]  # θ⁻ of each reference track
    known: Mapping[str, np.ndarray]  # label → (track, sample) rising τ of corpus segments, float64

    def score(self, tau: np.ndarray, labels: Sequence[str]) -> np.ndarray:
        """``(label, segment)`` mean ranks of ``tau (track, label, segment)``; NaN where τ is."""
        return np.stack([mean_rank(tau[:, row], self.known[label]) for row, label in enumerate(labels)])


def mean_rank(tau: np.ndarray, known: np.ndarray) -> np.ndarray:
    """``(segment,)`` mean over tracks of the share of ``known (track, sample)``, rising, that is below ``tau (track, segment)``.

    Equal values count one half. NaN where ``tau`` is, and throughout when there is no sample.
    """
    if not known.shape[1]:
        return np.full(tau.shape[1], np.nan)
    ranks = [
        (np.searchsorted(sample, values, "left") + np.searchsorted(sample, values, "right")) / (2 * len(sample))
        for values, sample in zip(tau, known, strict=True)
    ]
    return np.where(np.isnan(tau).any(axis=0), np.nan, np.mean(ranks, axis=0))


def known_of(tau: np.ndarray, audible: np.ndarray, labels: Sequence[str]) -> dict[str, np.ndarray]:
    """label → ``(track, sample)``, in C order as safetensors writes arrays, from ``tau (track, segment, stem)`` and which stems can be heard ``(segment, stem)``."""
    return {
        label: np.ascontiguousarray(np.sort(tau[:, audible[:, stem], stem], axis=1))
        for stem, label in enumerate(labels)
    }


def _mean_rank(read: Readings) -> np.ndarray:
    return read.ranks(tau(read.of("final"), read.of(PER_TRACK)))


PROBES = (
    Probe(
        "unlearning-per-track",
        "own",
        ("final", PER_TRACK),
        True,
        "the same, a reference track at a time",
        _mean_rank,
    ),
)
