"""What a probe of the whole stem is given: its samples, its track's, and its distances to the reference.

What several probes need is measured at most once, and only when one of them asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from raysep.probes.embedders.base import Embedder
    from raysep.probes.fad.reference import LabelReference
    from raysep.probes.probe import Probe

T = TypeVar("T")


class Options(Protocol):
    """Of the pass: see ``scoring_kit.ScoringOptions``."""

    @property
    def sample_rate(self) -> int: ...  # Hz

    @property
    def silence(self) -> float: ...  # dBFS


class Held(Protocol):
    """What a whole stem is measured with: see ``scoring_kit.ScoringKit``."""

    @property
    def options(self) -> Options: ...

    @property
    def embedder(self) -> Embedder: ...

    @property
    def fad(self) -> Mapping[str, LabelReference]: ...


class WholeTrack:
    """The stems of one track, label → ``(channel, time)``, and what has been measured of them."""

    def __init__(self, kit: Held, audio: Mapping[str, np.ndarray]) -> None:
        self.kit, self.audio = kit, audio
        self._known: dict[Any, Any] = {}

    def once(self, key: Any, measure: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = measure()
        return self._known[key]

    def frames(self, label: str) -> np.ndarray:
        """``(n, dimension)`` float32 embeddings of the stem's audible frames; n may be 0."""
        from raysep.probes.embedders.base import audible_frames

        kit = self.kit
        return self.once(
            (audible_frames, label),
            lambda: audible_frames(kit.embedder, self.audio[label], kit.options.sample_rate, kit.options.silence),
        )

    def likelihoods(self, label: str) -> dict[str, float]:
        """How well the stem's frames fit each label of the reference: mean log density per dimension. NaN without frames."""
        from raysep.probes.fad.reference import log_likelihoods

        return self.once((log_likelihoods, label), lambda: log_likelihoods(self.frames(label), self.kit.fad))


@dataclass(frozen=True)
class WholeStem:
    """One stem of a track, as ``probe`` may see it."""

    probe: Probe
    track: WholeTrack
    label: str

    @property
    def audio(self) -> np.ndarray:
        """``(channel, time)`` float32."""
        return self.track.audio[self.label]

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.track.kit.options.sample_rate

    def once(self, measure: Callable[[np.ndarray, int], T]) -> T:
        """``measure(audio, sample_rate)``, once for all probes that ask for this function of a module."""
        return self.track.once((measure, self.label), lambda: measure(self.audio, self.sample_rate))

    def of_track(self, measure: Callable[[Mapping[str, np.ndarray], int], T]) -> T:
        """``measure(stems, sample_rate)`` of all the track's stems by label, once for all of them."""
        return self.track.once(measure, lambda: measure(self.track.audio, self.sample_rate))

    @property
    def references(self) -> Mapping[str, LabelReference]:
        """What the reference knows, by label. Raises ``BadInput`` unless the probe declares ``distances``, as the next two."""
        if not self.probe.distances:
            raise self.probe.refuse("distances to the reference")
        return self.track.kit.fad

    @property
    def frames(self) -> np.ndarray:
        """``(n, dimension)`` float32 embeddings of the audible frames; n may be 0."""
        _ = self.references  # or refused
        return self.track.frames(self.label)

    @property
    def likelihoods(self) -> dict[str, float]:
        """Mean log density of the frames by each label of the reference."""
        _ = self.references
        return self.track.likelihoods(self.label)

    @property
    def distances(self) -> dict[str, float]:
        """From the reference of the stem's own label, by name of a measure; higher = further."""
        reference = self.references[self.label]
        return self.track.once(("distances", self.label), lambda: reference.score(self.frames))
