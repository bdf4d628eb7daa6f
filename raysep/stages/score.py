"""The pass over the audio: actors score shards of tracks, a parquet row per segment, a column per probe.

    rows in = scored + silent + failed

A stem that cannot be read is a row that says so; the rest of its track is scored. A shard's part is followed by its
marker, so a killed pass does again only what it had not finished. With ``scoring.first_segments`` it is two passes, which
read no segment twice: see ``raysep.stages.effort``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from raysep import failures
from raysep.corpus import manifest, storage
from raysep.corpus.dealing import parts_of, read_seconds, split
from raysep.corpus.inputs import Inputs
from raysep.corpus.manifest import Stem
from raysep.errors import AudioError, RaysepError, StorageError
from raysep.outcome import Outcome
from raysep.rundir import FIRST_LOOK, Run, read_scores, table_bytes
from raysep.stages import effort, kit
from raysep.stages.context import Context
from raysep.stages.passes import AudioWorker, Counts, Pass
from raysep.stages.plant import Planting

if TYPE_CHECKING:
    from raysep.probes.likeness import Likeness

COLUMNS = [
    ("track", pa.string()),
    ("stem", pa.string()),
    ("stem_id", pa.string()),
    ("segment", pa.int32()),
    ("start", pa.float64()),
    ("seconds", pa.float64()),
    ("outcome", pa.string()),
    ("error", pa.string()),
    ("message", pa.string()),
    ("level_dbfs", pa.float32()),
]
SCORE = "score"
PART = "part-{:05d}.parquet"
PARTS = {SCORE: "scores", FIRST_LOOK: FIRST_LOOK}  # stage → folder of its parts
TOLD = (Outcome.SCORED, Outcome.SILENT, Outcome.FAILED)  # rows in = the sum of these
LATER = ("decide", "search", "retrain", "evaluate")  # stages that a changed score makes stale


def score(context: Context, inputs: Inputs, planting: Planting) -> None:
    """Leaves ``scores/part-*.parquet`` and ``failed.parquet``."""
    run = context.run
    tracks = manifest.tracks_of([*inputs.corpus, *planting.calibration, *planting.planted])
    if run.is_done("score") and not (context.retry_failed and _failures(run)):
        return
    with run.stage("score") as record:
        kit.make_kit(context, planting)
        plan = deal_shards(tracks, planting, count_shards(context, tracks))
        work = {
            place: {number: [s for name in names for s in tracks[name].values()] for number, names in shards.items()}
            for place, shards in plan.items()
        }
        if context.config.scoring.first_segments:
            _run(context, FIRST_LOOK, work)
            effort.plan(context, read_scores(run, FIRST_LOOK), inputs.corpus, planting)
        scored_now = _run(context, SCORE, work)
        record.update(_count(context, sum(map(len, tracks.values())), sum(map(len, plan.values())), scored_now))


def deal_shards(tracks: Iterable[str], planting: Planting, count: int) -> dict[str, dict[int, list[str]]]:
    """Folder of a kit → its shards → their tracks: each shard is of one fold, so that a worker holds one kit at a time."""
    folds, names = planting.folds, sorted(tracks)
    each = max(1, count // len(folds))
    return {
        fold.place("kit"): {
            position * each + number: part
            for number, part in split((t for t in names if planting.fold_of.get(t) == fold.number), each).items()
        }
        for position, fold in enumerate(folds)
    }


def count_shards(context: Context, tracks: Mapping[str, Mapping[str, Stem]]) -> int:
    """Shards of the pass, of about a minute's work each: counted once, and kept in the run, whatever comes later."""
    run, scoring = context.run, context.config.scoring
    record = run.read_json("run.json") if run.has("run.json") else {}
    if SCORE not in record.get("shards", {}):
        seconds = read_seconds(
            (s for t in tracks.values() for s in t.values()), scoring.most_segments * scoring.segment_seconds
        )
        begun = run.markers(SCORE) or run.markers(FIRST_LOOK)  # before counts were kept
        run.update({"shards": {SCORE: scoring.shards if begun else parts_of(seconds, scoring.shards)}})
        return count_shards(context, tracks)
    return int(record["shards"][SCORE])


def _run(context: Context, stage: str, work: dict[str, dict[int, list[Stem]]]) -> int:
    """Do the shards of a pass that are not done, one kit after another; returns how many those were."""
    run, todo = context.run, Pass.of(context, stage, again=context.retry_failed)
    if context.retry_failed and run.shards_done(stage, context.fingerprint):
        for later in LATER:
            storage.delete(run.path("done", f"{later}.json"))
    now, of = 0, sum(map(len, work.values())) if len(work) > 1 else None
    with context.progress.bar(stage, "shards") as advance:
        for place, shards in work.items():
            scorer = Scorer.of(context, stage=stage, kit=place)
            done = todo.run(scorer, shards, advance, gpu=True, of=of)
            for number, reason in done.lost.items():
                scorer.leave(number, [_failed_row(stem, "WorkerDied", reason) for stem in shards[number]], ())
            now += done.now
    return now


def _count(context: Context, stems_in: int, shard_count: int, scored_now: int) -> dict[str, Any]:
    """Write ``failed.parquet``; returns the pass's counts, of stems and of segments. No stem may be lost."""
    run = context.run
    table = read_scores(run)
    failed = table.filter(pc.equal(table["outcome"], Outcome.FAILED))
    uris = {
        s.stem_id: s.uri
        for name in ("manifest", "reference", "planted")
        for s in manifest.read(run.path(f"{name}.parquet"))
    }
    rows = [
        {**{k: row[k] for k in ("stem_id", "track", "stem", "error", "message")}, "uri": uris.get(row["stem_id"], "")}
        for row in failed.to_pylist()
    ]
    if context.retry_failed:
        scored = set(pc.unique(table.filter(pc.not_equal(table["outcome"], Outcome.FAILED))["stem_id"]).to_pylist())
        failures.forget(run, scored - {row["stem_id"] for row in rows}, context.progress)
    failures.write(run, rows)
    markers = run.shards_done("score", context.fingerprint)
    totals = {str(key): sum(m["counts"][key] for m in markers.values()) for key in ("stems", *TOLD)}
    if not stems_in == totals["stems"] == sum(totals[kind] for kind in TOLD):
        raise RaysepError(f"{run.root}: {stems_in} stems went into the pass and {totals} came out; please report this")
    return {**totals, "segments": len(table) - len(rows), "shards": shard_count, "shards_scored_now": scored_now}


def _failures(run: Run) -> int:
    return len(run.read_table(failures.TABLE)) if run.has(failures.TABLE) else 0


# The pass


@dataclass(frozen=True, kw_only=True)
class Scorer(AudioWorker):
    """Scores the tracks of a shard."""

    exact = True
    stage: str = SCORE  # or the first look
    kit: str = "kit"  # the folder of what it scores with

    def start(self) -> Callable[[int, list[Stem]], Counts]:
        import torch

        from raysep.probes.scoring import ScoringKit

        run = self.folder
        files = {name: run.read_bytes(self.kit, name) for name in run.read_json(self.kit, "made.json")["files"]}
        held = ScoringKit.from_files(files).to("cuda" if torch.cuda.is_available() else "cpu")
        first = self.config.scoring.first_segments
        further = effort.read_plan(run) if first and self.stage == SCORE else None
        choose = effort.first_look(first) if self.stage == FIRST_LOOK else None

        def score_shard(shard: int, stems: list[Stem]) -> Counts:
            rows: list[dict] = []
            tracks = manifest.tracks_of(stems)
            if further is None:
                for track, parts in tracks.items():
                    rows += self._track(held, track, parts, choose)
            else:
                looked = effort.Continuation.read(run, PART.format(shard), further, first)
                for track, parts in tracks.items():
                    rows += looked.go_on(track, parts, partial(self._track, held))
            return self.leave(shard, rows, held.probes, held.likenesses, held.labels)

        return score_shard

    def _track(self, held: Any, track: str, stems: dict[str, Stem], *chosen: Any) -> list[dict]:
        from raysep.corpus.reading import read_stem
        from raysep.probes.scoring import score_track

        audio, rows = {}, []
        for label, stem in stems.items():
            try:
                audio[label] = read_stem(stem, self.sample_rate, self.channels)
            except AudioError as error:
                rows.append(_failed_row(stem, type(error).__name__, str(error)))
        try:
            return rows + (score_track(held, audio, track, *chosen) if audio else [])
        except StorageError:
            raise
        except Exception as error:  # one odd track must not end the pass: its stems are reported with the reason
            return rows + [_failed_row(stems[label], type(error).__name__, str(error)) for label in audio]

    def leave(
        self,
        shard: int,
        rows: list[dict],
        probes: Iterable[str],
        likenesses: Sequence[Likeness] = (),
        labels: Sequence[str] = (),
    ) -> Counts:
        """Write a shard's part and its marker; returns how many stems had which outcome."""
        from raysep.probes import stored
        from raysep.probes.catalogue import probes_of
        from raysep.probes.seconds import BY_SECOND

        assert isinstance(self.fingerprint, str), "one for all shards"
        known = probes_of(self.config.scoring.probes)
        taken = [known[name] for name in probes]
        schema = pa.schema(
            [
                *COLUMNS,
                *((probe.name, pa.float32()) for probe in taken),
                *((name, pa.list_(pa.float32())) for name in (*(each.name for each in likenesses), *BY_SECOND)),
            ],
            metadata=stored.description(self.fingerprint, taken, likenesses, labels),
        )
        outcomes: dict[str, set[str]] = {}
        for row in rows:
            outcomes.setdefault(row["stem_id"], set()).add(row["outcome"])
        ranked = (Outcome.SCORED, Outcome.FAILED, Outcome.SILENT)
        kinds = [next((kind for kind in ranked if kind in each), Outcome.SILENT) for each in outcomes.values()]
        counts = {"stems": len(kinds), **{str(kind): kinds.count(kind) for kind in TOLD}}
        table = table_bytes(pa.Table.from_pylist(rows, schema=schema))
        return self.finish(self.stage, shard, table, f"{PARTS[self.stage]}/{PART.format(shard)}", counts)


def _failed_row(stem: Stem, error: str, message: str) -> dict[str, Any]:
    return {
        "track": stem.track,
        "stem": stem.stem,
        "stem_id": stem.stem_id,
        "segment": -1,
        "start": 0.0,
        "seconds": 0.0,
        "outcome": Outcome.FAILED,
        "error": error,
        "message": message,
        "level_dbfs": None,
    }
