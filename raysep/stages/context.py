"""What every stage is given: the run, its settings, the cluster, and where to show progress."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raysep.config import Config
from raysep.corpus.manifest import Stem
from raysep.corpus.segments import Chosen, list_segments
from raysep.resources import Resources
from raysep.rundir import Run
from raysep.screen import Progress

if TYPE_CHECKING:
    from raysep.decision.by_hand import Said


@dataclass(frozen=True)
class Context:
    run: Run
    config: Config
    available: Resources
    progress: Progress
    fingerprint: str  # of configuration and data: shards and trainings of another one do not count
    workers: int | str | None = None  # of a pool, as ``resources.pool_size`` reads it
    retry_failed: bool = False
    sample_rate: int = 0  # Hz, of every network and every score
    channels: int = 2
    validation: tuple[Stem, ...] = ()  # whole tracks that training is validated on
    said: tuple[Said, ...] | None = None  # a person's own verdicts, which every decision obeys
    refit: bool = False  # and learns from

    @property
    def segment_frames(self) -> int:
        return round(self.config.scoring.segment_seconds * self.sample_rate)

    def segments_of(self, stems: Iterable[Stem]) -> Chosen:
        """Every segment of every track that has all its stems, at the network's rate."""
        most = self.config.scoring.most_segments
        return list_segments(stems, self.config.labels, self.sample_rate, self.segment_frames, most)
