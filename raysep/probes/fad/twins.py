"""Tracks of a reference that are one audio under several names: none of them is evidence for another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SAME = 1e-3  # of a standard deviation: mean frames nearer than this are of the same audio, whatever machine embedded it


def same_audio(tracks: Sequence[np.ndarray]) -> list[list[int]]:
    """The numbers of the ``(n, dimension)`` tracks, n ≥ 0, in groups of one audio; most groups hold one track.

    Told by the frames, not by a file's bytes: a copy in another format is a copy too.
    """
    counts = [len(track) for track in tracks]
    if not any(counts):
        return [[number] for number in range(len(tracks))]
    means = [np.asarray(track, dtype=np.float64).mean(axis=0) if len(track) else None for track in tracks]
    weighted = [n * mean for n, mean in zip(counts, means, strict=True) if mean is not None]
    centre = np.asarray(sum(weighted)) / sum(counts)
    scatter = sum(float(np.square(track - centre).sum()) for track in tracks if len(track))
    spread = np.sqrt(scatter / (sum(counts) * len(centre)))  # of the average dimension
    return grouped(counts, means, SAME * spread)


def grouped(counts: Sequence[int], means: Sequence[np.ndarray | None], tolerance: float = SAME) -> list[list[int]]:
    """The same from the number of frames and the mean frame of each track, by root mean square over the dimensions."""
    groups: dict[int, list[list[int]]] = {}  # by number of frames
    for number, (count, mean) in enumerate(zip(counts, means, strict=True)):
        known = groups.setdefault(count, [])
        for group in known if count else ():
            first = means[group[0]]
            if mean is not None and first is not None and np.sqrt(np.square(mean - first).mean()) <= tolerance:
                group.append(number)
                break
        else:
            known.append([number])
    return sorted(group for known in groups.values() for group in known)
