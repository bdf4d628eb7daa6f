"""Distances of a stem's embedded frames to the reference's: see ``raysep.probes.fad``."""

from __future__ import annotations

from raysep.probes.probe import Probe
from raysep.probes.whole_stem import WholeStem

FRECHET = "Gui et al. 2024 (arXiv 2311.01616), z-score against a length-matched null"
SOURCES = {
    "fad": "Gui et al. 2024 (arXiv 2311.01616), raw",
    "fad-z": FRECHET,
    "fad-window": FRECHET,
    "mahalanobis": "Ledoit and Wolf 2004 covariance, mean over frames",
    "mahalanobis-high": "the same, upper decile of the frames",
    "neighbours": "five nearest reference frames, mean over frames",
    "neighbours-high": "the same, upper decile of the frames",
}


def _closeness(name: str) -> Probe:
    """Minus a distance, so that higher = cleaner."""
    return Probe(name, "stem", (), True, SOURCES[name], lambda stem: -stem.distances[name], distances=True)


def _instrument(stem: WholeStem) -> float:
    from raysep.probes.fad.reference import excess

    return excess(stem.likelihoods, stem.label)


PROBES = (
    *(_closeness(name) for name in SOURCES),
    Probe(
        "instrument",
        "stem",
        (),
        True,
        "quadratic discriminant of the labels on reference embeddings",
        _instrument,
        distances=True,
    ),
)
