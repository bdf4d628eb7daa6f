"""What a worker of `raysep benchmark harm` does: one training on songs with one kind of fault in them, and its judgement."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from raysep.commands.benchmark.attribution_workers import TrainingWorker
from raysep.corpus import manifest
from raysep.corpus.faultplan import Planned
from raysep.corpus.manifest import Stem
from raysep.rundir import table_bytes
from raysep.stages.passes import Counts

if TYPE_CHECKING:
    from raysep.separators.base import Separator
    from raysep.training.pool import SegmentPool

RESULTS = pa.schema(
    [("kind", pa.string()), ("severity", pa.string()), ("seed", pa.int32())]
    + [("track", pa.string()), ("stem", pa.string()), ("sdr", pa.float64())]  # dB, whole track
)


@dataclass(frozen=True)
class Spoilt:
    """Clean songs, the faults to plant in them, and the songs that say what that cost."""

    kind: str  # "clean" without faults
    severity: str
    seed: int  # of the training
    faults: tuple[Planned, ...]
    faults_seed: int
    stems: list[Stem]
    test: list[Stem]


class HarmTrainer(TrainingWorker):
    """SDR on the test songs of a separator trained on spoilt ones. Nothing spoilt is written: it lives in memory."""

    def run(self, shard: int, payload: Spoilt) -> Counts:
        network, state, _ = self.trained_on(self.spoilt(payload), self.seed("harm", payload.seed))
        rows = []
        with state.ema.applied(network):
            for track, stems in manifest.tracks_of(payload.test).items():
                for label, sdr in self.judged(network, stems).items():
                    rows.append((payload.kind, payload.severity, payload.seed, track, label, sdr))
        table = pa.table([list(column) for column in zip(*rows, strict=True)], schema=RESULTS)
        counts = {"rows": len(rows), "faults": len(payload.faults)}
        return self.finish("results", shard, table_bytes(table), f"results/part-{shard:05d}.parquet", counts)

    def spoilt(self, payload: Spoilt) -> SegmentPool:
        """The songs as training draws from them, with the faults in. A track at a time is decoded twice over."""
        from raysep.corpus.contamination import corrupt_track
        from raysep.corpus.reading import read_stem
        from raysep.training.pool import SegmentPool

        faults = defaultdict(list)
        for fault in payload.faults:
            faults[fault.track].append(fault)
        pool = SegmentPool(self.config.labels, 2**40)
        for track, stems in manifest.tracks_of(payload.stems).items():
            audio = {label: read_stem(stem, self.sample_rate, self.channels) for label, stem in stems.items()}
            changed, _ = corrupt_track(track, audio, faults[track], self.sample_rate, payload.faults_seed)
            for label, stem in stems.items():
                pool.add(stem.stem_id, 0, label, changed.get(label, audio[label]), track=track)
        return pool

    def judged(self, network: Separator, stems: dict[str, Stem]) -> dict[str, float]:
        """Label → SDR in dB of one test song."""
        from raysep.corpus.reading import read_stem
        from raysep.evaluation.measures import track_measures
        from raysep.separators import inference

        labels = self.config.labels
        references = np.stack([read_stem(stems[label], self.sample_rate, self.channels) for label in labels])
        estimates = inference.separate(network, references.sum(axis=0))
        values = track_measures(references, estimates, self.sample_rate, ("sdr",)).values["sdr"]
        return dict(zip(labels, map(float, values), strict=True))
