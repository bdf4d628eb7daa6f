"""What the workers of `raysep benchmark attribution` do besides: rivals of the metagradient, trainings with stems left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raysep.commands.benchmark.attribution_workers import ToTrace, TrainingWorker
from raysep.corpus.manifest import Stem
from raysep.corpus.segments import Drawn
from raysep.errors import BadInput
from raysep.probes.rivals.names import NAMES
from raysep.rundir import table_bytes
from raysep.stages.passes import Counts

EMBEDDING = "embedding-distance"  # minus it: higher = nearer to the reference
RIVALS = (*NAMES, EMBEDDING)
FOUND = pa.schema(
    [("base", pa.int32()), ("stem_id", pa.string())]
    + [(name, pa.float64()) for name in RIVALS]  # null where there is none
    + [("notes", pa.string())]  # of the base: what was left out, a line each
)
SAME = pa.schema([("subset", pa.int32()), ("base", pa.int32()), ("loss", pa.float64())])
REMOVED = pa.schema(
    [("method", pa.string()), ("share", pa.float64()), ("seed", pa.int32())]
    + [("part", pa.string()), ("loss", pa.float64())]  # of the reference, or of the test tracks
)


@dataclass(frozen=True)
class Without:
    """A base's training once more, with the same draws, and the weight of some stems at 0."""

    subset: int
    base: int
    stems: list[Stem]  # all of the corpus
    kept: frozenset[str]  # tracks
    reference: Drawn


@dataclass(frozen=True)
class Removal:
    """A corpus without the stems that a method finds worst, to be trained on."""

    method: str  # "" = nothing is removed
    share: float
    seed: int
    stems: list[Stem]
    judges: dict[str, Drawn]  # by part


class RivalScorer(TrainingWorker):
    """Every rival's score of each stem by one base."""

    def run(self, shard: int, payload: ToTrace) -> Counts:
        import torch

        from raysep.probes.metagradient import reference_query
        from raysep.probes.rivals.point import Point
        from raysep.probes.rivals.table import Effort, rivals

        training = self.unrolled(payload.stems, self.seed("base", payload.base))
        of_reference = self.unrolled(payload.reference.stems, self.seed("reference", payload.base))
        heard = torch.from_numpy(self.read(payload.reference, training.network.stems)[0])
        reference = heard.split(self.config.scoring.batch)
        query = reference_query(training, [(part.sum(dim=1), part) for part in reference])
        trusted = Point.end_of(of_reference, of_reference.end(torch.ones(len(payload.reference.stems))))
        found = rivals(training, trusted, query, reference, len(payload.stems), Effort())
        scores, notes = found.scores, list(found.notes)
        try:
            scores = scores | {EMBEDDING: self.closeness(payload.stems, payload.reference.stems)}
        except BadInput as error:
            notes.append(f"{EMBEDDING} left out: {error}")
        rows = [
            {"base": payload.base, "stem_id": stem.stem_id, "notes": "\n".join(notes)}
            | {name: float(values[k]) if np.isfinite(values[k]) else None for name, values in scores.items()}
            for k, stem in enumerate(payload.stems)
        ]
        part, table = f"rivals/part-{shard:05d}.parquet", pa.Table.from_pylist(rows, schema=FOUND)
        return self.finish("rivals", shard, table_bytes(table), part, {"stems": len(payload.stems)})

    def closeness(self, stems: Iterable[Stem], reference: Iterable[Stem]) -> np.ndarray:
        """Minus the Mahalanobis distance of each stem's log-mel frames to the reference's of its label: ``(stem,)``.

        Raises ``BadInput`` when a label has too few reference tracks.
        """
        from raysep.corpus.reading import read_stem
        from raysep.probes.embedders.base import audible_frames
        from raysep.probes.embedders.logmel import build
        from raysep.probes.fad.reference import LabelReference

        embedder = build(self.sample_rate)

        def frames(stem: Stem) -> np.ndarray:
            return audible_frames(embedder, read_stem(stem, self.sample_rate, self.channels), self.sample_rate)

        trusted: dict[str, list[np.ndarray]] = {}
        for stem in reference:
            trusted.setdefault(stem.stem, []).append(frames(stem))
        references = {
            label: LabelReference.from_tracks(tracks, measures=(), least_spread=embedder.least_spread)
            for label, tracks in trusted.items()
        }
        measured = [references[stem.stem].measure(frames(stem), ("mahalanobis",)) for stem in stems]
        return np.array([-each["mahalanobis"]["raw"] for each in measured])


class WithoutTrainer(TrainingWorker):
    """The loss on the reference of a base's training, had some tracks weighed nothing in it."""

    def run(self, shard: int, payload: Without) -> Counts:
        import torch

        from raysep.probes.metagradient import query_losses, reference_query

        training = self.unrolled(payload.stems, self.seed("base", payload.base))
        heard = torch.from_numpy(self.read(payload.reference, training.network.stems)[0])
        query = reference_query(training, [(part.sum(dim=1), part) for part in heard.split(self.config.scoring.batch)])
        weights = torch.tensor([float(stem.track in payload.kept) for stem in payload.stems])
        loss = float(query_losses(training, training.end(weights), query)[0])
        part, table = (
            f"same/part-{shard:05d}.parquet",
            pa.table([[payload.subset], [payload.base], [loss]], schema=SAME),
        )
        return self.finish("same", shard, table_bytes(table), part, {"stems": len(payload.stems)})


class RemovalTrainer(TrainingWorker):
    """The losses of a separator trained on what a removal leaves."""

    def run(self, shard: int, payload: Removal) -> Counts:
        network, state, _ = self.trained(payload.stems, self.seed("removal", payload.seed))
        about = {"method": payload.method, "share": payload.share, "seed": payload.seed}
        rows = [
            {**about, "part": part, "loss": float(np.mean(self.losses(network, state, drawn)))}
            for part, drawn in payload.judges.items()
        ]
        part, table = f"removals/part-{shard:05d}.parquet", pa.Table.from_pylist(rows, schema=REMOVED)
        return self.finish("removals", shard, table_bytes(table), part, {"stems": len(payload.stems)})


def worst(score: np.ndarray, labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """bool ``(stem,)``: the ``share`` of each label with the lowest scores, to the nearest whole stem.

    Ties, and stems without a score, which come last, are in an order drawn under the seed.
    """
    chance = np.random.default_rng([seed, 0x5EED]).random(len(score))
    found = np.zeros(len(score), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = members[np.lexsort((chance[members], np.nan_to_num(score[members], nan=np.inf)))]
        found[order[: round(share * len(members))]] = True
    return found
