"""What a worker does: one training with the derivative of the reference's loss by the weight of every stem, or one without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysep.corpus.reading import read_segments
from raysep.corpus.segments import Drawn
from raysep.errors import BadInput
from raysep.rundir import table_bytes
from raysep.stages.passes import AudioWorker, Counts
from raysep.training.plan import Plan

if TYPE_CHECKING:
    from torch import Tensor

    from raysep.probes.metagradient import Metagradient, Query
    from raysep.training.unrolled import Unrolled

ALL = "all"  # the mean over labels, or over the references
PART = "part-"  # of several references


@dataclass(frozen=True)
class ToTrace:
    """One training, and what is asked of it."""

    plan: Plan
    reference: tuple[Drawn, ...]  # whose losses are traced back, each by itself
    weights: tuple[float, ...]  # of the plan's stems
    by_label: bool = False
    gated: bool = False  # train twice more to see whether the derivative foretells anything
    judges: Drawn | None = None  # another part of the reference, whose loss is told
    traced: bool = True  # else trained alone


@dataclass(frozen=True, kw_only=True)
class Tracer(AudioWorker):
    """Each shard is a training; its part has a row for each stem."""

    stage: str
    memory_gib: float
    exact = True

    def start(self) -> Callable[[int, Any], Counts]:
        held: dict[tuple[Any, ...], Any] = {}  # audio by what it was read for: the seeds of a worker share it

        def run(shard: int, payload: ToTrace) -> Counts:
            from raysep.training import in_memory

            key = (payload.plan.stems, payload.plan.recipe.segment_seconds)
            if key not in held:
                held.clear()
                held[key] = in_memory.read(payload.plan)
            return self.trace(shard, payload, held[key])

        return run

    def trace(self, shard: int, payload: ToTrace, audio: Any) -> Counts:
        import torch

        from raysep.probes.metagradient import metagradient, query_losses
        from raysep.probes.smoothness import smoothness
        from raysep.training import in_memory

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        training, drawing = in_memory.unrolled(payload.plan, audio, device)
        weights = torch.tensor(payload.weights, dtype=torch.float32, device=device)
        counts: Counts = {"stems": len(weights), "failed": 0, "unread": audio.unread}
        columns: dict[str, Any] = {"stem_id": list(audio.stem_ids)}
        if payload.traced:
            query = self.query(training, payload.reference, payload.by_label)
            found = metagradient(training, weights, query, memory_gib=self.memory_gib)
            end = found.end
            if payload.by_label:
                columns |= dict(zip(payload.plan.labels, found.gradient, strict=True))
            if len(payload.reference) > 1:
                columns |= {f"{PART}{k}": gradient for k, gradient in enumerate(found.gradient)}
            columns |= {ALL: found.gradient.mean(axis=0), "drawn": drawing.times}
            counts |= {"losses": found.losses.tolist(), "growth": found.growth, "cost": found.cost}
            counts |= {"seconds": found.seconds_training + found.seconds_backward}
            if payload.gated:
                verdict = smoothness(training, weights, _summed(query), _mean(found))
                counts["gate"] = {**asdict(verdict), "ratio": verdict.ratio, "words": verdict.words}
        else:
            end = training.end(weights)
        if payload.judges is not None:
            counts["judged"] = float(query_losses(training, end, self.query(training, (payload.judges,), False))[0])
        part = f"{self.stage}/part-{shard:05d}.parquet"
        return self.finish(self.stage, shard, table_bytes(pa.table(columns)), part, counts)

    def query(self, training: Unrolled, references: Sequence[Drawn], by_label: bool) -> Query:
        """The losses on each of the references; of a single one, ``by_label``, on each label."""
        import torch

        from raysep.probes.metagradient import reference_query

        queries = [
            reference_query(training, self.batches(training, drawn), by_label=by_label and len(references) == 1)
            for drawn in references
        ]
        if len(queries) == 1:
            return queries[0]
        places = torch.eye(len(queries), device=next(training.network.parameters()).device)

        def parts(weights: dict[str, Tensor]) -> Iterator[Tensor]:
            for query, place in zip(queries, places, strict=True):
                yield from (place * loss for loss in query(weights))

        return parts

    def batches(self, training: Unrolled, drawn: Drawn) -> list[tuple[Tensor, Tensor]]:
        """Mixtures ``(n, channel, time)`` with targets ``(n, stem, channel, time)``."""
        import torch

        scoring, labels = self.config.scoring, training.network.stems
        length = round(scoring.segment_seconds * self.sample_rate)
        heard, unread = read_segments(
            drawn, labels, self.sample_rate, self.channels, length, most=scoring.most_segments
        )
        if not len(heard):
            raise BadInput(next(iter(unread.values()), "the reference has no segment that can be heard"))
        like = next(training.network.parameters())
        batches = [part.to(like) for part in torch.from_numpy(heard).split(scoring.batch)]
        return [(part.sum(dim=1), part) for part in batches]


def _mean(found: Metagradient) -> Metagradient:
    """The metagradient of the mean of the queries, of that of each."""
    return replace(
        found, gradient=found.gradient.mean(axis=0, keepdims=True), losses=np.mean(found.losses, keepdims=True)
    )


def _summed(query: Query) -> Query:
    """The mean of the queries."""
    return lambda weights: (part.mean()[None] for part in query(weights))
