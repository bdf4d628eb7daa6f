"""Every distance of a stem to the clean frames of its label, by name, and each one's null.

A measure takes many stems' frames and gives one number each, higher = further. Averages of per-frame distances have no
length bias; quantiles over frames or windows and the Fréchet distance do, and the length-matched null takes it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from raysep.probes.fad.distance import frechet_distances
from raysep.probes.fad.kernel import KernelReference, kernel_distances
from raysep.probes.fad.neighbours import Neighbourhood
from raysep.probes.fad.null import LengthMatchedNull, Measure, held_out_statistics
from raysep.probes.fad.statistics import ReferenceStatistics
from raysep.probes.fad.twins import same_audio

WINDOW = 8  # frames of a local distance: long enough to be one, short enough for a local fault
HIGH = 0.9  # quantile that stands for the worst part of a stem


@dataclass(frozen=True, eq=False)
class CleanFrames:
    """The reference as every measure wants it; what no measure asks for is never made."""

    frames: np.ndarray  # (n, dimension)
    made_statistics: ReferenceStatistics | None = None  # where they are known already
    made_neighbourhood: Neighbourhood | None = None
    seed: int = 0  # of the thinning for nearest neighbours and kernels

    @cached_property
    def statistics(self) -> ReferenceStatistics:
        return self.made_statistics or ReferenceStatistics.from_frames(self.frames)

    @cached_property
    def neighbourhood(self) -> Neighbourhood:
        return self.made_neighbourhood or Neighbourhood.from_frames(self.frames, self.seed)

    @cached_property
    def kernel(self) -> KernelReference:
        return KernelReference.from_frames(self.frames, seed=self.seed)


def _frechet(stems: Sequence[np.ndarray], clean: CleanFrames) -> np.ndarray:
    return frechet_distances(stems, clean.statistics)


def _kernel(stems: Sequence[np.ndarray], clean: CleanFrames) -> np.ndarray:
    return kernel_distances(stems, clean.kernel)


def _per_frame(distance: str, summary: Callable[[np.ndarray], float]) -> Measure:
    def measure(stems: Sequence[np.ndarray], clean: CleanFrames) -> np.ndarray:
        values = getattr(clean.neighbourhood, distance)(np.concatenate(stems))
        return np.array([summary(part) for part in np.split(values, np.cumsum([len(s) for s in stems])[:-1])])

    return measure


def _high(values: np.ndarray) -> float:
    return float(np.quantile(values, HIGH))


def windowed(measure: Measure, summary: Callable[[np.ndarray], float] = _high, length: int = WINDOW) -> Measure:
    """The summary of a measure over half-overlapping windows of a stem: finds what only a part suffers from."""

    def over_windows(stems: Sequence[np.ndarray], clean: object) -> np.ndarray:
        windows = [excerpts(frames, length) for frames in stems]
        distances = measure([piece for pieces in windows for piece in pieces], clean)
        ends = np.cumsum([len(pieces) for pieces in windows])[:-1]
        return np.array([summary(part) for part in np.split(distances, ends)])

    return over_windows


MEASURES: dict[str, Measure] = {
    "fad": _frechet,
    "fad-window": windowed(_frechet),
    "fad-window-mean": windowed(_frechet, np.mean),
    "kad": _kernel,
    "kad-window": windowed(_kernel),
    "kad-window-mean": windowed(_kernel, np.mean),
    "mahalanobis": _per_frame("mahalanobis", np.mean),
    "mahalanobis-high": _per_frame("mahalanobis", _high),
    "neighbours": _per_frame("nearest", np.mean),
    "neighbours-high": _per_frame("nearest", _high),
}

# What a number is, in a report; every one is of frames that the reference has standardised.
DEFINITIONS: dict[str, str] = {
    "fad": "Fréchet distance of all frames of the stem to the reference",
    "fad-window": f"the same of windows of {WINDOW} frames that overlap by half, their {HIGH} quantile: local faults",
    "fad-window-mean": "the same, mean of the windows",
    "kad": "kernel distance: 100 times the unbiased MMD² with a Gaussian kernel as wide as the reference's median distance",
    "kad-window": f"the same of windows of {WINDOW} frames that overlap by half, their {HIGH} quantile",
    "kad-window-mean": "the same, mean of the windows",
    "mahalanobis": "mean over frames of the squared Mahalanobis distance over the dimension (covariance shrunk, Ledoit-Wolf)",
    "mahalanobis-high": f"the same, {HIGH} quantile of the frames",
    "neighbours": "mean over frames of the distance to the five nearest frames of the reference, over √dimension",
    "neighbours-high": f"the same, {HIGH} quantile of the frames",
}


def held_out(tracks: Sequence[np.ndarray], seed: int = 0) -> Iterator[CleanFrames]:
    """For each of at least two different, non-empty tracks ``(n, dimension)`` the clean frames of all other audio."""
    left_out = {track: group for group in same_audio(tracks) for track in group}
    for index, of_others in enumerate(held_out_statistics(tracks)):
        frames = np.concatenate([track for i, track in enumerate(tracks) if i not in left_out[index]])
        yield CleanFrames(frames, of_others, seed=seed)


def matched(
    frames: np.ndarray, clean: CleanFrames, names: Sequence[str], nulls: Mapping[str, LengthMatchedNull]
) -> dict[str, dict[str, float]]:
    """name → ``{"raw", "z", "p"}`` of one stem's ``(n ≥ 2, dimension)`` frames.

    z and p are NaN without a null. A stem longer than the null reaches is judged by excerpts that it does reach: the
    mean of their z, the median of their p.
    """
    found = {}
    for name in names:
        raw = float(MEASURES[name]([frames], clean)[0])
        found[name] = {"raw": raw, "z": float("nan"), "p": float("nan")}
        if null := nulls.get(name):
            pieces = excerpts(frames, null.longest)
            values = MEASURES[name](pieces, clean) if len(pieces) > 1 else [raw]
            pairs = [(value, len(piece)) for value, piece in zip(values, pieces, strict=True)]
            found[name]["z"] = float(np.mean([null.z(*pair) for pair in pairs]))
            found[name]["p"] = float(np.median([null.p(*pair) for pair in pairs]))
    return found


def excerpts(frames: np.ndarray, length: int) -> list[np.ndarray]:
    """Half-overlapping excerpts of ``length`` frames, the last one ending with the stem; all of a shorter stem."""
    if len(frames) <= length:
        return [frames]
    starts = {*range(0, len(frames) - length, max(1, length // 2)), len(frames) - length}
    return [frames[start : start + length] for start in sorted(starts)]
