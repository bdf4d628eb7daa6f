"""Mixtures for probes: a stem among its own track's stems, or among clean reference stems of the other labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from raysep.audio.levels import is_audible
from raysep.corpus.hashing import stable_hash
from raysep.errors import BadInput


class ReferenceBank:
    """Audible clean segments per label, float32 ``(n, channel, time)``, to mix a judged stem with.

    Which partners a segment gets depends on the bank's content and order, the seed and the segment's name only:
    every pass, on every worker, sees the same mixture.
    """

    def __init__(self, labels: Iterable[str], segments: Mapping[str, np.ndarray] | None = None):
        self.labels = tuple(labels)
        self._segments: dict[str, list[np.ndarray]] = {label: [] for label in self.labels}
        for label, array in (segments or {}).items():
            self.add(label, array)

    def add(self, label: str, segments: np.ndarray) -> int:
        """Append the audible ones of ``(n, channel, time)``, or of one ``(channel, time)``; returns how many were."""
        if label not in self._segments:
            raise BadInput(f"label {label!r}: the reference bank holds {', '.join(self.labels)}")
        batch = segments[None] if segments.ndim == 2 else segments
        held = self._segments[label]
        for segment in batch:
            if held and segment.shape != held[0].shape:
                raise ValueError(f"a segment of shape {segment.shape} in a bank of {held[0].shape} ({label})")
        audible = [np.ascontiguousarray(segment, dtype=np.float32) for segment in batch if is_audible(segment)]
        held.extend(audible)
        return len(audible)

    def count(self, label: str) -> int:
        return len(self._segments[label])

    def thinned(self, most: int) -> ReferenceBank:
        """A bank with at most ``most`` segments per label, taken evenly over the order in which they were added."""
        thin = ReferenceBank(self.labels)
        for label, held in self._segments.items():
            chosen = {int((k + 0.5) * len(held) / most) for k in range(most)} if len(held) > most else range(len(held))
            thin._segments[label] = [held[i] for i in sorted(chosen)]
        return thin

    def arrays(self) -> dict[str, np.ndarray]:
        """label → ``(n, channel, time)``, for writing to a file; labels without a segment are left out."""
        return {label: np.stack(held) for label, held in self._segments.items() if held}

    def partners(self, stem_id: str, segment_index: int, label: str, seed: int) -> dict[str, np.ndarray]:
        """One segment ``(channel, time)`` of each other label, drawn by hash. Do not write to them.

        Raises ``BadInput`` naming a label of which the reference has nothing audible.
        """
        drawn = {}
        for other in self.labels:
            if other == label:
                continue
            held = self._segments[other]
            if not held:
                raise BadInput(
                    f"the reference has no audible segment of {other!r}, which is needed to mix with {label!r}; "
                    f"add reference tracks that have it, or leave the label out"
                )
            drawn[other] = held[stable_hash(f"{seed}/{stem_id}/{segment_index}/{other}") % len(held)]
        return drawn


def clean_context(segment: np.ndarray, label: str, partners: Mapping[str, np.ndarray]) -> np.ndarray:
    """The mixture ``(channel, time)`` of one judged segment with clean partners of the other labels.

    Summed in the labels' alphabetical order, so that equal stems give bit-equal mixtures.
    """
    if label in partners:
        raise ValueError(f"the partners of {label!r} hold another stem of that label")
    return own_context({**partners, label: segment})


def own_context(stems: Mapping[str, np.ndarray]) -> np.ndarray:
    """The mixture ``(channel, time)`` of a track's own stems, right or wrong: their sum in alphabetical order."""
    mixture = np.zeros_like(next(iter(stems.values())), dtype=np.float32)
    for label in sorted(stems):
        mixture = mixture + stems[label]
    return mixture
