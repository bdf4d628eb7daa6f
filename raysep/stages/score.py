"""The pass over the audio: actors score shards of tracks, a parquet row per segment, a column per probe.

    rows in = scored + silent + failed

A stem that cannot be read is a row that says so; the rest of its track is scored. A shard's part is followed by its
marker, so a killed pass does again only what it had not finished. With ``scoring.first_segments`` it is two passes, which
read no segment twice: see ``raysep.stages.effort``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from raysep.cluster import shards
from raysep.corpus import manifest, storage
from raysep.corpus.manifest import Stem
from raysep.errors import AudioError, RaysepError
from raysep.rundir import Run, read_scores, table_bytes
from raysep.stages import effort, kit
from raysep.stages.context import Context
from raysep.stages.inputs import Inputs
from raysep.stages.plant import Planting

COLUMNS = [
    ("track", pa.string()),
    ("stem", pa.string()),
    ("stem_id", pa.string()),
    ("segment", pa.int32()),
    ("start", pa.float64()),
    ("seconds", pa.float64()),
    ("outcome", pa.string()),  # scored | silent | failed
    ("error", pa.string()),
    ("message", pa.string()),
    ("level_dbfs", pa.float32()),
]
FAILED = pa.schema([(name, pa.string()) for name in ("stem_id", "track", "stem", "uri", "error", "message")])
SCORE = "score"
PART = "part-{:05d}.parquet"
PARTS = {SCORE: "scores", effort.FIRST_LOOK: effort.FIRST_LOOK}  # stage → folder of its parts
LATER = ("decide", "search", "retrain", "evaluate")  # stages that a changed score makes stale


def score(context: Context, inputs: Inputs, planting: Planting) -> None:
    """Leaves ``scores/part-*.parquet`` and ``failed.parquet``."""
    run = context.run
    tracks = manifest.tracks_of([*inputs.corpus, *planting.calibration, *planting.planted])
    if run.is_done("score") and not (context.retry_failed and _failures(run)):
        return
    with run.stage("score") as record:
        kit.make_kit(context, planting)
        plan = shards.split(tracks, context.config.scoring.shards)
        work = {number: [asdict(s) for name in names for s in tracks[name].values()] for number, names in plan.items()}
        if context.config.scoring.first_segments:
            _run(context, effort.FIRST_LOOK, work)
            effort.plan(context, read_scores(run, effort.FIRST_LOOK), inputs.corpus, planting.roles)
        scored_now = _run(context, SCORE, work)
        record.update(_count(context, sum(map(len, tracks.values())), len(plan), scored_now))


def _run(context: Context, stage: str, work: dict[int, list[dict]]) -> int:
    """Do the shards of a pass that are not done; returns how many those were."""
    run = context.run
    done = run.shards_done(stage, context.fingerprint)
    if context.retry_failed and done:
        done = {number: marker for number, marker in done.items() if not marker["counts"]["failed"]}
        for later in LATER:
            storage.delete(run.path("done", f"{later}.json"))
    missing = {number: payload for number, payload in work.items() if number not in done}
    finished = len(done)
    worker = _Worker(run.root, context.fingerprint, context.sample_rate, context.channels, context.config, stage)
    with context.progress.bar(stage) as advance:

        def on_done(shard: int, counts: dict) -> None:
            nonlocal finished
            finished += 1
            advance(finished, len(work))

        advance(finished, len(work))
        given_up = shards.run_shards(
            worker, missing, context.available, most_workers=context.workers, gpu=True, on_done=on_done
        )
    for number, reason in given_up.items():
        rows = [_failed_row(Stem(**stem), "WorkerDied", reason) for stem in missing[number]]
        _finish(run, number, context.fingerprint, rows, (), stage)
    return len(missing)


def _count(context: Context, stems_in: int, shard_count: int, scored_now: int) -> dict[str, Any]:
    """Write ``failed.parquet``; returns the pass's counts, of stems and of segments. No stem may be lost."""
    run = context.run
    table = read_scores(run)
    failed = table.filter(pa.compute.equal(table["outcome"], "failed"))
    uris = {
        s.stem_id: s.uri
        for name in ("manifest", "reference", "planted")
        for s in manifest.read(run.path(f"{name}.parquet"))
    }
    rows = [
        {**{k: row[k] for k in ("stem_id", "track", "stem", "error", "message")}, "uri": uris.get(row["stem_id"], "")}
        for row in failed.to_pylist()
    ]
    run.write_table(pa.Table.from_pylist(rows, schema=FAILED), "failed.parquet")
    markers = run.shards_done("score", context.fingerprint)
    totals = {key: sum(m["counts"][key] for m in markers.values()) for key in ("stems", "scored", "silent", "failed")}
    if not stems_in == totals["stems"] == totals["scored"] + totals["silent"] + totals["failed"]:
        raise RaysepError(f"{run.root}: {stems_in} stems went into the pass and {totals} came out; please report this")
    return {**totals, "segments": len(table) - len(rows), "shards": shard_count, "shards_scored_now": scored_now}


def _failures(run: Run) -> int:
    return len(run.read_table("failed.parquet")) if run.has("failed.parquet") else 0


# The pass


@dataclass(frozen=True)
class _Worker:
    """Makes, in a worker, the function that scores one shard."""

    root: str
    fingerprint: str
    sample_rate: int
    channels: int
    config: Any
    stage: str = SCORE  # or the first look

    def __call__(self) -> Callable[[int, Any], dict]:
        import torch

        from raysep.probes.precision import full_single_precision
        from raysep.probes.scoring import ScoringKit

        full_single_precision()
        torch.set_num_threads(self.config.training.threads)
        run = Run(self.root)
        files = {name: run.read_bytes("kit", name) for name in run.read_json("kit", "made.json")["files"]}
        held = ScoringKit.from_files(files).to("cuda" if torch.cuda.is_available() else "cpu")
        first = self.config.scoring.first_segments
        further = effort.read_plan(run) if first and self.stage == SCORE else None
        choose = effort.first_look(first) if self.stage == effort.FIRST_LOOK else None

        def run_one(shard: int, payload: Any) -> dict:
            rows: list[dict] = []
            tracks = manifest.tracks_of(Stem(**row) for row in payload)
            if further is None:
                for track, stems in tracks.items():
                    rows += self._track(held, track, stems, choose)
            else:
                looked = effort.Continuation.read(run, PART.format(shard), further, first, held.probes)
                for track, stems in tracks.items():
                    rows += looked.go_on(track, stems, partial(self._track, held))
            return _finish(run, shard, self.fingerprint, rows, held.probes, self.stage)

        return run_one

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
        except Exception as error:  # one odd track must not end the pass: its stems are reported with the reason
            return rows + [_failed_row(stems[label], type(error).__name__, str(error)) for label in audio]


def _failed_row(stem: Stem, error: str, message: str) -> dict[str, Any]:
    return {
        "track": stem.track,
        "stem": stem.stem,
        "stem_id": stem.stem_id,
        "segment": -1,
        "start": 0.0,
        "seconds": 0.0,
        "outcome": "failed",
        "error": error,
        "message": message,
        "level_dbfs": None,
    }


def _finish(
    run: Run, shard: int, fingerprint: str, rows: list[dict], probes: Iterable[str], stage: str = SCORE
) -> dict:
    from raysep.probes.catalogue import PROBES

    about = {name: asdict(PROBES[name]) for name in probes}
    schema = pa.schema(
        [*COLUMNS, *((name, pa.float32()) for name in about)],
        metadata={"raysep": json.dumps({"fingerprint": fingerprint, "probes": about})},
    )
    outcomes: dict[str, set[str]] = {}
    for row in rows:
        outcomes.setdefault(row["stem_id"], set()).add(row["outcome"])
    kinds = ["scored" if "scored" in o else "failed" if "failed" in o else "silent" for o in outcomes.values()]
    counts = {"stems": len(kinds), **{name: kinds.count(name) for name in ("scored", "silent", "failed")}}
    table = pa.Table.from_pylist(rows, schema=schema)
    part = f"{PARTS[stage]}/{PART.format(shard)}"
    run.finish_shard(stage, shard, fingerprint, table_bytes(table), part, counts)
    return counts
