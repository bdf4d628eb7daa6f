"""The fixed list of segments: decided by the manifest alone, never drawn again between two passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from raysep.audio.resample import resampled_frames
from raysep.corpus import manifest
from raysep.corpus.hashing import stable_hash
from raysep.corpus.manifest import Stem


@dataclass(frozen=True)
class Segment:
    """A crop of a stem: ``frames`` samples from ``start``; shorter at the end of a stem than the pass's length."""

    index: int
    start: int
    frames: int


def cut(total_frames: int, segment_frames: int, most: int | None = None) -> list[Segment]:
    """Consecutive crops of ``segment_frames`` samples, spread evenly over the stem when there are more than ``most``.

    A tail of at least half a segment is kept (and zero-padded when read); a shorter one is dropped unless
    it is all there is. The result depends on the two lengths only.
    """
    if total_frames <= 0 or segment_frames <= 0:
        return []
    count = max(1, (total_frames + segment_frames // 2) // segment_frames)
    chosen: Sequence[int] = range(count)
    if most is not None and count > most:
        chosen = sorted({int((k + 0.5) * count / most) for k in range(most)})
    return [Segment(i, i * segment_frames, min(segment_frames, total_frames - i * segment_frames)) for i in chosen]


def crop(audio: np.ndarray, segment: Segment, segment_frames: int) -> np.ndarray:
    """The segment of ``(channel, time)``, zero-padded to ``(channel, segment_frames)``."""
    piece = audio[:, segment.start : segment.start + segment_frames]
    missing = segment_frames - piece.shape[1]
    return np.pad(piece, ((0, 0), (0, missing))) if missing else piece


Chosen = dict[str, list[int]]  # track → indices of its segments


def list_segments(
    stems: Iterable[Stem], labels: Sequence[str], sample_rate: int, length: int, most: int | None = None
) -> Chosen:
    """Every segment of ``length`` samples of every track of which a stem can be read, at ``sample_rate`` Hz."""
    chosen: Chosen = {}
    for track, parts in manifest.tracks_of(stems).items():
        if readable := [stem for label, stem in parts.items() if stem.frames and label in labels]:
            frames = resampled_frames(readable[0].frames, readable[0].sample_rate, sample_rate)
            chosen[track] = [s.index for s in cut(frames, length, most)]
    return chosen


def draw(every: Chosen, most: int, name: str) -> Chosen:
    """At most ``most`` segments, drawn by hash: the same ones whatever the order of the list."""
    flat = sorted(
        (stable_hash(f"{name}/{track}/{index}"), track, index) for track, all_ in every.items() for index in all_
    )
    chosen: Chosen = {}
    for _, track, index in sorted(flat[:most], key=lambda entry: entry[1:]):
        chosen.setdefault(track, []).append(index)
    return chosen


@dataclass(frozen=True)
class Drawn:
    """Some segments of some tracks, with all stems of these."""

    stems: list[Stem]
    chosen: Chosen

    @classmethod
    def of(cls, chosen: Chosen, stems: Iterable[Stem]) -> Drawn:
        return cls([s for s in stems if s.track in chosen], chosen)
