"""All that the reference knows about one stem label, and the scores of a stem against it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysep.errors import BadInput
from raysep.probes.fad.measures import MEASURES, CleanFrames, held_out, matched
from raysep.probes.fad.neighbours import Neighbourhood
from raysep.probes.fad.null import LengthMatchedNull, length_matched_nulls
from raysep.probes.fad.statistics import ReferenceStatistics

WITH_NULL = ("fad", "fad-window")  # what the scoring pass asks for; the nulls of all measures cost minutes
LOCAL = ("fad-window", "mahalanobis", "mahalanobis-high", "neighbours", "neighbours-high")


@dataclass(frozen=True, eq=False)
class LabelReference:
    centre: np.ndarray  # (dimension,) standardisation of the raw embedding
    scale: np.ndarray  # (dimension,)
    clean: CleanFrames  # standardised
    nulls: Mapping[str, LengthMatchedNull]  # by name of a measure

    @classmethod
    def from_tracks(
        cls,
        tracks: Sequence[np.ndarray],
        cuts: int = 200,
        seed: int = 0,
        measures: Sequence[str] = WITH_NULL,
        least_spread: float = 0.0,
    ) -> LabelReference:
        """From the raw ``(n, dimension)`` frames of each clean reference track, with nulls of these ``measures``.

        A dimension that spreads by less than ``least_spread``, in the embedding's own unit, counts as if it spread by
        that; without one, a dimension that is constant up to the rounding of float32 embeddings keeps its own unit.
        ``BadInput`` when the different tracks are too few, or a measure unknown.
        """
        if unknown := set(measures) - set(MEASURES):
            raise BadInput(f"measures {', '.join(sorted(unknown))}: there are {', '.join(MEASURES)}")
        tracks = [np.asarray(track, dtype=np.float64) for track in tracks if len(track)]
        frames = np.concatenate(tracks) if tracks else np.zeros((0, 1))
        centre = frames.mean(axis=0) if len(frames) else np.zeros(1)
        scale = scale_of(frames, centre, least_spread) if len(frames) else np.ones(1)
        # What is kept is float32; rounding comes first, so that a reference read back gives the same scores.
        tracks = [((track - centre) / scale).astype(np.float32).astype(np.float64) for track in tracks]
        nulls = length_matched_nulls(
            tracks,
            {name: MEASURES[name] for name in measures},
            held_out(tracks, seed) if len(tracks) > 1 else [None] * len(tracks),
            cuts=cuts,
            seed=seed,
        )
        return cls(centre, scale, CleanFrames(np.concatenate(tracks), seed=seed), nulls)

    def standardise(self, frames: np.ndarray) -> np.ndarray:
        return (np.asarray(frames, dtype=np.float64) - self.centre) / self.scale

    def score(self, frames: np.ndarray) -> dict[str, float]:
        """Distances of one stem's raw audible ``(n, dimension)`` frames; higher = further. NaN when n < 2.

        Of ``fad`` the raw distance, of ``fad-z`` and ``fad-window`` the z-score, of all others the plain value.
        """
        found = self.measure(frames, ("fad", *LOCAL))
        scores = {"fad": found["fad"]["raw"], "fad-z": found["fad"]["z"]}
        return scores | {name: found[name]["z" if name == "fad-window" else "raw"] for name in LOCAL}

    def measure(self, frames: np.ndarray, names: Sequence[str] = tuple(MEASURES)) -> dict[str, dict[str, float]]:
        """name → ``{"raw", "z", "p"}`` of one stem's raw audible ``(n, dimension)`` frames; all NaN when n < 2.

        z and p are against clean excerpts of the same length, NaN for a measure without a null.
        """
        if len(frames) < 2:
            return {name: dict.fromkeys(("raw", "z", "p"), float("nan")) for name in names}
        return matched(self.standardise(frames), self.clean, names, self.nulls)

    @property
    def neighbourhood(self) -> Neighbourhood:
        return self.clean.neighbourhood

    def log_likelihood(self, frames: np.ndarray) -> np.ndarray:
        """``(n,)`` log density of raw frames per dimension, comparable between labels."""
        return self.neighbourhood.log_likelihood(self.standardise(frames)) - np.log(self.scale).mean()

    def to_bytes(self) -> bytes:
        """Of the frames only those that neighbours and kernels read are kept."""
        hood = self.neighbourhood
        arrays: dict[str, Any] = {"centre": self.centre, "scale": self.scale}
        arrays |= {"statistics": _bytes(self.clean.statistics.to_bytes())}
        arrays |= {"mean": hood.mean, "whitener": hood.whitener, "frames": hood.frames}
        arrays |= {f"null {name}": _bytes(null.to_bytes()) for name, null in self.nulls.items()}
        stream = io.BytesIO()
        np.savez(stream, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> LabelReference:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            statistics = ReferenceStatistics.from_bytes(arrays["statistics"].tobytes())
            hood = Neighbourhood(arrays["mean"], arrays["whitener"], arrays["frames"])
            clean = CleanFrames(hood.frames.astype(np.float64), statistics, hood)
            nulls = {
                name.removeprefix("null "): LengthMatchedNull.from_bytes(arrays[name].tobytes())
                for name in arrays
                if name.startswith("null ")
            }
            return cls(arrays["centre"], arrays["scale"], clean, nulls)


def scale_of(frames: np.ndarray, centre: np.ndarray, least_spread: float = 0.0) -> np.ndarray:
    """``(dimension,)`` standard deviations of ``(n, dimension)`` frames about their mean, none below ``least_spread``.

    What is left of a constant by rounding is no spread: divided by it, any other value would be astronomically far.
    """
    spread = frames.std(axis=0)
    constant = spread <= np.finfo(np.float32).eps * np.abs(centre)
    return np.where(constant, least_spread or 1.0, np.maximum(spread, least_spread))


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, dtype=np.uint8)


def instrument(frames: np.ndarray, label: str, references: Mapping[str, LabelReference]) -> float:
    """How much better the stem's raw frames fit its own label than the best other one (quadratic discriminant).

    Mean log-likelihood ratio per frame and dimension; higher = cleaner, below zero = another label fits better.
    NaN without frames or without another label.
    """
    return excess(log_likelihoods(frames, references), label)


def log_likelihoods(frames: np.ndarray, references: Mapping[str, LabelReference]) -> dict[str, float]:
    """label → mean log density of the raw frames per dimension; NaN without frames."""
    if not len(frames):
        return dict.fromkeys(references, float("nan"))
    return {name: float(reference.log_likelihood(frames).mean()) for name, reference in references.items()}


def excess(of_labels: Mapping[str, float], label: str) -> float:
    """By how much the label's own figure exceeds the best other one; NaN without another label."""
    others = [value for name, value in of_labels.items() if name != label]
    return of_labels[label] - max(others) if others else float("nan")
