"""All that the reference knows about one stem label, and the scores of a stem against it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raysep.probes.fad.distance import frechet_distances
from raysep.probes.fad.neighbours import Neighbourhood
from raysep.probes.fad.null import LengthMatchedNull
from raysep.probes.fad.statistics import ReferenceStatistics

WINDOW = 8  # frames of a local distance: long enough to be one, short enough for a local fault
HIGH = 0.9  # quantile that stands for the worst part of a stem
LEAST_SPREAD = 0.1  # dB: a dimension that hardly moves in the reference must not decide alone


@dataclass(frozen=True, eq=False)
class LabelReference:
    centre: np.ndarray  # (dimension,) standardisation of the raw embedding
    scale: np.ndarray  # (dimension,)
    statistics: ReferenceStatistics  # of the standardised frames
    null: LengthMatchedNull  # of the distance
    window_null: LengthMatchedNull  # of its upper quantile over windows
    neighbourhood: Neighbourhood

    @classmethod
    def from_tracks(cls, tracks: Sequence[np.ndarray], cuts: int = 200, seed: int = 0) -> LabelReference:
        """From the raw ``(n, dimension)`` frames of each clean reference track. ``BadInput`` when they are too few."""
        tracks = [np.asarray(track, dtype=np.float64) for track in tracks if len(track)]
        frames = np.concatenate(tracks) if tracks else np.zeros((0, 1))
        centre = frames.mean(axis=0) if len(frames) else np.zeros(1)
        scale = np.maximum(frames.std(axis=0), LEAST_SPREAD) if len(frames) else np.ones(1)
        tracks = [(track - centre) / scale for track in tracks]
        null = LengthMatchedNull.from_tracks(tracks, cuts=cuts, seed=seed)
        window_null = LengthMatchedNull.from_tracks(tracks, cuts=cuts, seed=seed, measure=windowed_distances)
        frames = np.concatenate(tracks)
        statistics = ReferenceStatistics.from_frames(frames)
        return cls(centre, scale, statistics, null, window_null, Neighbourhood.from_frames(frames, seed))

    def standardise(self, frames: np.ndarray) -> np.ndarray:
        return (np.asarray(frames, dtype=np.float64) - self.centre) / self.scale

    def score(self, frames: np.ndarray) -> dict[str, float]:
        """Distances of one stem's raw audible ``(n, dimension)`` frames; higher = further. NaN when n < 2."""
        names = ("fad", "fad-z", "fad-window", "mahalanobis", "mahalanobis-high", "neighbours", "neighbours-high")
        if len(frames) < 2:
            return dict.fromkeys(names, float("nan"))
        frames = self.standardise(frames)
        gaussian, nearest = self.neighbourhood.mahalanobis(frames), self.neighbourhood.nearest(frames)
        values = (
            float(frechet_distances([frames], self.statistics)[0]),
            length_matched_z(frames, self.statistics, self.null, frechet_distances),
            length_matched_z(frames, self.statistics, self.window_null, windowed_distances),
            gaussian.mean(),
            np.quantile(gaussian, HIGH),
            nearest.mean(),
            np.quantile(nearest, HIGH),
        )
        return dict(zip(names, map(float, values), strict=True))

    def log_likelihood(self, frames: np.ndarray) -> np.ndarray:
        """``(n,)`` log density of raw frames per dimension, comparable between labels."""
        return self.neighbourhood.log_likelihood(self.standardise(frames)) - np.log(self.scale).mean()

    def to_bytes(self) -> bytes:
        hood = self.neighbourhood
        parts = {"statistics": self.statistics, "null": self.null, "window_null": self.window_null}
        arrays = {name: np.frombuffer(part.to_bytes(), dtype=np.uint8) for name, part in parts.items()}
        arrays |= {"centre": self.centre, "scale": self.scale}
        arrays |= {"mean": hood.mean, "whitener": hood.whitener, "frames": hood.frames}
        stream = io.BytesIO()
        np.savez(stream, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> LabelReference:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(
                arrays["centre"],
                arrays["scale"],
                ReferenceStatistics.from_bytes(arrays["statistics"].tobytes()),
                LengthMatchedNull.from_bytes(arrays["null"].tobytes()),
                LengthMatchedNull.from_bytes(arrays["window_null"].tobytes()),
                Neighbourhood(arrays["mean"], arrays["whitener"], arrays["frames"]),
            )


def windowed_distances(stems: Sequence[np.ndarray], reference: ReferenceStatistics) -> np.ndarray:
    """``(stem,)`` upper quantile of the distance over half-overlapping windows: finds what only a part suffers from."""
    windows = [excerpts(frames, WINDOW) for frames in stems]
    distances = frechet_distances([piece for pieces in windows for piece in pieces], reference)
    ends = np.cumsum([len(pieces) for pieces in windows])[:-1]
    return np.array([np.quantile(part, HIGH) for part in np.split(distances, ends)])


def length_matched_z(frames: np.ndarray, reference: ReferenceStatistics, null: LengthMatchedNull, measure) -> float:
    """z-score of one stem against the null; a stem longer than the null reaches is judged by its excerpts' mean."""
    pieces = excerpts(frames, null.longest)
    return float(np.mean([null.z(d, len(p)) for d, p in zip(measure(pieces, reference), pieces, strict=True)]))


def excerpts(frames: np.ndarray, length: int) -> list[np.ndarray]:
    """Half-overlapping excerpts of ``length`` frames, the last one ending with the stem; all of a shorter stem."""
    if len(frames) <= length:
        return [frames]
    starts = {*range(0, len(frames) - length, max(1, length // 2)), len(frames) - length}
    return [frames[start : start + length] for start in sorted(starts)]


def instrument(frames: np.ndarray, label: str, references: Mapping[str, LabelReference]) -> float:
    """How much better the stem's raw frames fit its own label than the best other one (quadratic discriminant).

    Mean log-likelihood ratio per frame and dimension; higher = cleaner, below zero = another label fits better.
    NaN without frames or without another label.
    """
    others = [reference for name, reference in references.items() if name != label]
    if not len(frames) or not others:
        return float("nan")
    own = references[label].log_likelihood(frames).mean()
    return float(own - max(other.log_likelihood(frames).mean() for other in others))
