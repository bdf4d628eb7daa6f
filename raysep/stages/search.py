"""What to leave out of the corpus, by search: short trainings from θ0, judged on reference tracks that θ0 never saw.

It finds by retraining what ``decide`` estimates without; both costs are recorded side by side. ``clean --search`` tries
some ratios, ``raysep tune`` goes on from the same trials to full trainings.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysep import failures
from raysep.config import TrainingSettings, recipe_of
from raysep.corpus import storage
from raysep.corpus.hashing import fingerprint, stable_hash
from raysep.corpus.inputs import Inputs
from raysep.corpus.manifest import Stem
from raysep.decision import handling
from raysep.decision.handling.reading import rows_of
from raysep.errors import RaysepError
from raysep.resources import pool_size
from raysep.rundir import Run
from raysep.stages import decide, train
from raysep.stages.context import Context
from raysep.stages.plant import Planting
from raysep.training.entry import Entry

if TYPE_CHECKING:
    from raysep.training.pool import SegmentPool

Point = Mapping[str, Any]  # ratio, probe and handling

METRIC = "validation_sdr"
UNREAD = "unread"  # stem_ids with the reasons, as JSON: what a trial was trained without
SILENT, RESIDUE = "silent", "residue"  # stems that the metric leaves out, and the level in dBFS of what is left on them
ERROR, SECONDS = "standard_error", "seconds"  # of the metric over tracks, in dB; of the trial
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
    run, settings = context.run, context.config.search
    if run.is_done("search"):
        return
    with run.stage("search") as record, context.progress.bar("search", "trials") as advance:
        begin = time.perf_counter()
        before = failures.unread_in(run, "search")
        again = [before] if before and context.retry_failed else []  # another search: that one would only be read back
        trial = trial_of(context, inputs, planting)
        space = Space(settings.ratios, (context.config.decision.probe,), ("drop",))
        rows = warm_starts(
            context,
            trial,
            space,
            samples=len(settings.ratios),
            first=[space.at(ratio) for ratio in settings.ratios],
            name=f"search-{fingerprint(context.fingerprint, storage.digest(run.read_bytes('stems.parquet')), *again)}",
            storage_path=run.path("search"),
            advance=advance,
        )
        run.write_table(
            pa.table({key: [row.get(key) for row in rows] for key in COLUMNS.names}, schema=COLUMNS), "search.parquet"
        )
        if told := refuse_failures(rows):
            context.progress.say(f"note: {told}")
        judged = ranked(rows)
        best = judged[0] if judged else None
        removed = run.read_table("decision.parquet")["keep"].to_numpy(zero_copy_only=False)
        record.update(
            best_ratio=best and best["ratio"],
            best_sdr=best and best[METRIC],
            silent_references=max((row.get(SILENT) or 0 for row in judged), default=0),
            decided_ratio=round(1 - float(np.mean(removed)), 4),
            steps=sum(trial.steps_at(row["rung"]) for row in judged),
            **failures.noted({stem: why for row in rows for stem, why in json.loads(row.get(UNREAD) or "{}").items()}),
            search_seconds=round(time.perf_counter() - begin, 1),
        )


def warm_starts(
    context: Context,
    trial: Trial,
    space: Space,
    *,
    samples: int,
    first: Sequence[dict[str, Any]],
    name: str,
    storage_path: str,
    advance: Callable[..., None],
) -> list[dict[str, Any]]:
    """A row per trial: its point, what it reached, and how far it came."""
    from raysep.cluster import search as tune  # here: a trial's worker needs none of it

    return tune.search(
        trial,
        space,
        samples=samples,
        first=first,
        seed=context.config.seed,
        metric=METRIC,
        also=(ERROR, SILENT, RESIDUE, SECONDS, UNREAD),
        name=name,
        storage_path=storage_path,
        available=context.available,
        most=pool_size(context.workers).most,
        share=context.config.resources.search,
        on_progress=advance,
        say=context.progress.say,
    )


def refuse_failures(rows: Sequence[dict[str, Any]]) -> str:
    """What to say of the trials that failed, in one line; "" for none. Raises ``RaysepError`` when all did."""
    failed = [row for row in rows if row["error"]]
    if not failed:
        return ""
    reason = failed[0]["error"].strip().splitlines()[-1]  # what comes before is the worker's traceback
    first = f"the first, of ratio {failed[0]['ratio']}, with: {reason}"
    if not ranked(rows):
        raise RaysepError(
            f"search: all {len(rows)} trials failed, {first}; start the same command again to try them once more"
        )
    return (
        f"{len(failed)} of {len(rows)} trials of the search failed, {first}; its table has all, and the best ratio is one of "
        "the others"
    )


def ranked(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The trials that were judged, the best first. One that was stopped had fewer steps: the furthest come before it."""
    judged = [row for row in rows if row.get(METRIC) is not None and not row["error"]]
    return sorted(judged, key=lambda row: (-row["rung"], -row[METRIC]))


@dataclass(frozen=True)
class Space:
    """What trials are drawn from. Called with an Optuna trial it draws a point; picklable."""

    ratios: tuple[float, ...]  # in order: neighbours are alike
    probes: tuple[str, ...]
    handlings: tuple[str, ...]

    def __call__(self, draw: Any) -> dict[str, Any]:
        return {
            "ratio": self.ratios[draw.suggest_int("ratio", 0, len(self.ratios) - 1)],
            "probe": draw.suggest_categorical("probe", self.probes),
            "handling": draw.suggest_categorical("handling", self.handlings),
        }

    def at(self, ratio: float) -> dict[str, Any]:
        """The point of this ratio, by the first probe and handling, in Optuna's own values."""
        return {"ratio": self.ratios.index(ratio), "probe": self.probes[0], "handling": self.handlings[0]}


def entries_at(run: Run, point: Point, stems: Sequence[Stem]) -> list[Entry]:
    """The corpus without the most suspect ``ratio`` of each label by ``probe``, which the ``handling`` acts on.

    Decided as `raysep decide --rule ratio` does, floor and all: so many as are asked for are not always left out.
    """
    settings = {"rule": "ratio", **{name: point[name] for name in ("ratio", "probe", "handling")}}
    return handling.use(point["handling"], rows_of(decide.table_again(run, settings)), stems)


def trial_of(context: Context, inputs: Inputs, planting: Planting) -> Trial:
    settings = context.config.search
    return Trial(
        root=context.run.root,
        stems=tuple(s for s in inputs.corpus if s.frames),
        validation=tuple(planting.folds[0].target),
        sample_rate=context.sample_rate,
        channels=context.channels,
        training=context.config.training,
        steps=settings.steps,
        rungs=settings.rungs,
        learning_rate=settings.learning_rate,
        seed=context.config.seed,
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

    def steps_at(self, rung: int) -> int:
        return int(rung) * max(1, self.steps // self.rungs)

    def __call__(
        self,
        point: Point,
        saved: Mapping[str, Any] | None,
        report: Callable[[dict[str, float], dict[str, Any]], None],
    ) -> None:
        """Train in ``rungs`` parts, from the ``saved`` state if there is one.

        After each part, report the validation's mean SDR in dB, and what of it is silent, with the state to go on from.
        """
        import torch

        from raysep.evaluation.one_error import standard_error
        from raysep.separators import checkpoint
        from raysep.training import loop
        from raysep.training.network import load_network
        from raysep.training.pool import SegmentPool
        from raysep.training.validate import validate

        begin = time.perf_counter() - (saved["seconds"] if saved else 0.0)
        torch.set_num_threads(self.training.threads)
        run = Run(self.root)
        network, _ = load_network(run, train.FINAL)
        pool = SegmentPool(network.stems, int(self.training.memory_gib * 2**30))
        unread = self._fill(pool, [entry for entry in entries_at(run, point, self.stems) if entry.weight > 0])
        frames = round(self.training.segment_seconds * self.sample_rate)
        part = self.steps_at(1)
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
            averaged = checkpoint.network_of(loop.to_checkpoint(state, network)).to(next(network.parameters()).device)
            found = validate(averaged, self.validation, train.measure, rank=0, world=1)
            left = {RESIDUE: found.residue} if found.silent else {}
            seconds = time.perf_counter() - begin
            error = standard_error(np.array([found.by_track]))
            metrics: dict[str, Any] = {METRIC: found.value, ERROR: error, SILENT: len(found.silent), SECONDS: seconds}
            metrics[UNREAD] = json.dumps(unread)
            report(metrics | left, {"training": state.state_dict(), "seconds": seconds})
            network.train()

        state = loop.TrainingState(network, recipe)
        if saved:
            state.load_state_dict(saved["training"])
        loop.train(
            network,
            lambda step: pool.draw(self.training.batch, frames, step, self.seed),
            recipe,
            state=state,
            on_save=judge,
        )

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
