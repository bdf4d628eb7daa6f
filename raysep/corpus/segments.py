"""The fixed list of segments: decided by the manifest alone, never drawn again between two passes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
    chosen = range(count)
    if most is not None and count > most:
        chosen = sorted({int((k + 0.5) * count / most) for k in range(most)})
    return [Segment(i, i * segment_frames, min(segment_frames, total_frames - i * segment_frames)) for i in chosen]


def crop(audio: np.ndarray, segment: Segment, segment_frames: int) -> np.ndarray:
    """The segment of ``(channel, time)``, zero-padded to ``(channel, segment_frames)``."""
    piece = audio[:, segment.start : segment.start + segment_frames]
    missing = segment_frames - piece.shape[1]
    return np.pad(piece, ((0, 0), (0, missing))) if missing else piece
