"""The ratio by search: short trainings from θ0 with more and more suspects left out, judged on reference tracks.

It finds by retraining what ``decide`` estimates without; both costs are recorded side by side.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysep.config import TrainingSettings, recipe_of
from raysep.corpus import manifest, storage
from raysep.corpus.hashing import fingerprint, stable_hash
from raysep.corpus.manifest import Stem
from raysep.errors import RaysepError
from raysep.rundir import Run
from raysep.stages import failures, train
from raysep.stages.context import Context
from raysep.stages.inputs import Inputs
from raysep.stages.plant import Planting
from raysep.training.entry import Entry

if TYPE_CHECKING:
    from raysep.training.pool import SegmentPool

METRIC = "validation_sdr"
UNREAD = "unread"  # stem_ids with the reasons, as JSON: what a trial was trained without
SILENT, RESIDUE = "silent", "residue"  # stems that the metric leaves out, and the level in dBFS of what is left on them
COLUMNS = pa.schema(
    [
        ("ratio", pa.float64()),
        (METRIC, pa.float64()),
        (SILENT, pa.int64()),
        (RESIDUE, pa.float64()),
        ("rung", pa.int64()),
        ("error", pa.string()),
    ]
)


def search(context: Context, inputs: Inputs, planting: Planting) -> None:
    """One trial per ratio; writes ``search.parquet`` and the best ratio into ``run.json``.

    Raises ``RaysepError`` with the first trial's own words when all failed: the next call tries them again.
    """
    from raysep.cluster import search as tune  # here: a trial's worker needs none of it

    run, settings = context.run, context.config.search
    if run.is_done("search"):
        return
    with run.stage("search") as record, context.progress.bar("search") as advance:
        begin = time.perf_counter()
        before = failures.unread_in(run, "search")
        again = [before] if before and context.retry_failed else []  # another search: that one would only be read back
        trial = Trial(
            root=run.root,
            stems=tuple(s for s in inputs.corpus if s.frames),
            validation=tuple(planting.unlearning),
            sample_rate=context.sample_rate,
            channels=context.channels,
            training=context.config.training,
            steps=settings.steps,
            rungs=settings.rungs,
            learning_rate=settings.learning_rate,
            seed=context.config.seed,
        )
        rows = tune.search(
            trial,
            {"ratio": list(settings.ratios)},
            metric=METRIC,
            also=(SILENT, RESIDUE, UNREAD),
            rungs=settings.rungs,
            name=f"search-{fingerprint(context.fingerprint, storage.digest(run.read_bytes('decision.parquet')), *again)}",
            storage_path=run.path("search"),
            available=context.available,
            on_progress=advance,
        )
        run.write_table(
            pa.table({key: [row.get(key) for row in rows] for key in COLUMNS.names}, schema=COLUMNS), "search.parquet"
        )
        judged = [row for row in rows if row.get(METRIC) is not None and not row["error"]]
        failed = [row for row in rows if row["error"]]
        # What comes before the last line is the worker's traceback.
        reason = failed[0]["error"].strip().splitlines()[-1] if failed else ""
        if failed and judged:
            context.progress.say(
                f"note: {len(failed)} of {len(rows)} trials of the search failed, the first, of ratio {failed[0]['ratio']}, "
                f"with: {reason}; search.parquet has all, and the best ratio is one of the others"
            )
        if failed and not judged:
            raise RaysepError(
                f"search: all {len(rows)} trials failed, the first, of ratio {failed[0]['ratio']}, with: {reason}; "
                "start the same command again to try them once more"
            )
        # Trials that ASHA stopped were judged after fewer steps: only the furthest are comparable.
        furthest = max((row["rung"] for row in judged), default=0)
        best = max((row for row in judged if row["rung"] == furthest), key=lambda row: row[METRIC], default=None)
        removed = [row["keep"] for row in run.read_table("decision.parquet").to_pylist()]
        record.update(
            best_ratio=best and best["ratio"],
            best_sdr=best and best[METRIC],
            silent_references=max((row.get(SILENT) or 0 for row in judged), default=0),
            decided_ratio=round(1 - float(np.mean(removed)), 4),
            steps=sum(int(row["rung"]) * settings.steps // settings.rungs for row in judged),
            **failures.noted({stem: why for row in rows for stem, why in json.loads(row.get(UNREAD) or "{}").items()}),
            search_seconds=round(time.perf_counter() - begin, 1),
        )


@dataclass(frozen=True)
class Trial:
    """Picklable: reads what it needs from storage, in the worker that runs it."""

    root: str
    stems: tuple[Stem, ...]
    validation: tuple[Stem, ...]
    sample_rate: int
    channels: int
    training: TrainingSettings
    steps: int
    rungs: int
    learning_rate: float
    seed: int

    def __call__(self, point: dict[str, Any], report: Callable[[dict[str, Any]], None]) -> None:
        """Train in ``rungs`` parts; after each, report the validation's mean SDR in dB, and what of it is silent."""
        import torch

        from raysep.separators import checkpoint
        from raysep.stages.train import load_network
        from raysep.training import loop
        from raysep.training.pool import SegmentPool
        from raysep.training.validate import validate

        torch.set_num_threads(self.training.threads)
        run = Run(self.root)
        network, _ = load_network(run, train.FINAL)
        pool = SegmentPool(network.stems, int(self.training.memory_gib * 2**30))
        unread = self._fill(pool, self._kept(run, point["ratio"]))
        frames = round(self.training.segment_seconds * self.sample_rate)
        part = max(1, self.steps // self.rungs)
        recipe = recipe_of(
            self.training,
            part * self.rungs,
            learning_rate=self.learning_rate,
            warmup=max(1, part // 10),
            save_steps=tuple(part * (k + 1) for k in range(self.rungs)),
            seed=self.seed,
            validate_every=0,
            patience=0,
        )

        def judge(step: int, state: loop.TrainingState) -> None:
            averaged = checkpoint.network_of(loop.to_checkpoint(state, network))
            found = validate(averaged, self.validation, train.measure, rank=0, world=1)
            left = {RESIDUE: found.residue} if found.silent else {}
            report({METRIC: found.value, SILENT: len(found.silent), UNREAD: json.dumps(unread)} | left)
            network.train()

        loop.train(network, lambda step: pool.draw(self.training.batch, frames, step, self.seed), recipe, on_save=judge)

    def _kept(self, run: Run, ratio: float) -> list[Entry]:
        """The corpus without the most suspect ``ratio`` of each label."""
        decision = {row["stem_id"]: row for row in run.read_table("decision.parquet").to_pylist()}
        kept: list[Entry] = []
        for label in manifest.labels_of(self.stems):
            members = [s for s in self.stems if s.stem == label and decision[s.stem_id]["outcome"] != "failed"]
            members.sort(key=lambda s: (decision[s.stem_id]["suspicion"], s.stem_id))
            kept += train.whole(members[: max(1, round(len(members) * (1 - ratio)))])
        return kept

    def _fill(self, pool: SegmentPool, entries: list[Entry]) -> dict[str, str]:
        """Add pieces of each label until its share is full, of stems in an order that hashes decide.

        In the order of suspicion, what fits would be the least suspect stems, and the same ones for every ratio. Returns
        the stems that could not be read: stem_id → why.
        """
        from raysep.training.pieces import pieces

        unread: dict[str, str] = {}
        frames = round(2 * self.training.segment_seconds * self.sample_rate)
        for entry in sorted(entries, key=lambda e: (stable_hash(e.stem.stem_id), e.stem.stem_id)):
            stem, label = entry.stem, entry.label
            if label in pool.full and pool.sounds(label):
                continue  # not decoded: it would only take the place of what is there
            for start, audio, error in pieces(stem, frames, self.sample_rate, self.channels, entry.spans):
                if error:
                    unread[stem.stem_id] = error
                else:
                    pool.add(stem.stem_id, start, label, audio, entry.weight)
        pool.ready()
        return unread
