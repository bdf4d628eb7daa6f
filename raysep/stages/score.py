"""The pass over the audio: actors score shards of tracks, a parquet row per segment, a column per probe.

    rows in = scored + silent + failed

A stem that cannot be read is a row that says so; the rest of its track is scored. A shard's part is followed by its
marker, so a killed pass does again only what it had not finished. With ``scoring.first_segments`` it is two passes, which
read no segment twice: see ``raysep.stages.effort``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.cluster import shards
from raysep.corpus import manifest, segments, storage
from raysep.corpus.manifest import Stem
from raysep.errors import AudioError, BadInput, RaysepError
from raysep.rundir import Run, table_bytes
from raysep.stages import attribute, effort, train
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
        make_kit(context, planting)
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


def read_scores(run: Run, stage: str = SCORE) -> pa.Table:
    """All rows of all parts, in shard order."""
    folder = PARTS[stage]
    files = storage.list_files(run.path(folder), recursive=False)
    parts = [run.read_table(folder, info.base_name) for info in files]
    if not parts:
        raise BadInput(f"{run.root}: holds no scores yet; start the same `raysep clean` again to go on")
    return pa.concat_tables(parts, promote_options="default")


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


# The kit: what every worker holds


def check_embedder(scoring: Any, sample_rate: int) -> None:
    """Load the embedder once where the command was given: missing weights must not come out after the training.

    Raises ``BadInput``. A separator's bottleneck without weights is the run's own network, which is yet to be trained.
    """
    from raysep.probes.embedders import registry, weight_files

    if (scoring.embedder, scoring.embedder_weights) != ("separator", ""):
        registry.build(scoring.embedder, sample_rate, weight_files.absolute(scoring.embedder_weights))


def make_kit(context: Context, planting: Planting) -> None:
    """Networks, clean partners and references, written once; workers read them from the run's folder."""
    run = context.run
    if run.has("kit", "made.json"):
        return
    chosen = attribute.draw(
        attribute.list_segments(planting.unlearning, context), context.config.scoring.bank_segments, "bank"
    )
    worker = _KitMaker(run.root, context.fingerprint, context.sample_rate, context.channels, context.config)
    payload = ([asdict(s) for s in planting.unlearning], chosen)
    failed = shards.run_shards(worker, {0: payload}, context.available)
    if failed:
        raise RaysepError(f"preparing the scoring pass failed ({failed[0]})")
    if left_out := run.read_json("kit", "made.json")["distances_left_out"]:
        context.progress.say(f"distances to the reference left out: {left_out}")


class _Lazy(Mapping[str, Mapping[str, np.ndarray]]):
    """track → label → audio, read when asked for: a reference of many hours is never in memory at once."""

    def __init__(self, stems: Iterable[Stem], sample_rate: int, channels: int) -> None:
        self.tracks, self.sample_rate, self.channels = manifest.tracks_of(stems), sample_rate, channels

    def __getitem__(self, track: str) -> dict[str, np.ndarray]:
        from raysep.corpus.reading import read_stem

        return {label: read_stem(s, self.sample_rate, self.channels) for label, s in self.tracks[track].items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self.tracks)

    def __len__(self) -> int:
        return len(self.tracks)


@dataclass(frozen=True)
class _KitMaker:
    root: str
    fingerprint: str
    sample_rate: int
    channels: int
    config: Any

    def __call__(self) -> Callable[[int, Any], dict]:
        return self.run

    def run(self, shard: int, payload: Any) -> dict:
        import torch

        from raysep.corpus.mixing import ReferenceBank
        from raysep.probes.embedders import weight_files
        from raysep.probes.scoring import ScoringKit, ScoringOptions, label_references

        torch.set_num_threads(self.config.training.threads)
        rows, chosen = payload
        run, scoring = Run(self.root), self.config.scoring
        stems = [Stem(**row) for row in rows]
        frames = round(scoring.segment_seconds * self.sample_rate)
        networks = {
            "final": attribute.load_network(run, train.FINAL)[0],
            "early": attribute.load_network(run, train.EARLY)[0],
            "reference": attribute.load_network(run, train.REFERENCE)[0],
            "plus": attribute.load_network(run, attribute.PLUS, "attribution")[0],
            "minus": attribute.load_network(run, attribute.MINUS, "attribution")[0],
        }
        if run.has("attribution", f"{attribute.UNLEARNED}.safetensors"):
            unlearned = attribute.load_network(run, attribute.UNLEARNED, "attribution")[0]
            names = {"own": ["unlearned"], "clean": ["unlearned-clean"], "both": ["unlearned", "unlearned-clean"]}
            networks |= dict.fromkeys(names[scoring.unlearning_context], unlearned)
        per_track = self._per_track(run)
        tracks = _Lazy(stems, self.sample_rate, self.channels)
        bank = ReferenceBank(self.config.labels)
        for track, indices in sorted(chosen.items()):
            audio = tracks[track]
            cuts = {
                s.index: s for s in segments.cut(next(iter(audio.values())).shape[1], frames, scoring.most_segments)
            }
            for index in indices:
                for label, samples in audio.items():
                    bank.add(label, segments.crop(samples, cuts[index], frames))
        options = ScoringOptions(
            segment_frames=frames,
            sample_rate=self.sample_rate,
            most_segments=scoring.most_segments,
            seed=self.config.seed,
            rho=scoring.rho,
            unlearning_sign=-1.0 if scoring.unlearning == "noisy" else 1.0,
            batch=scoring.batch,
            embedder=scoring.embedder,
            embedder_weights=weight_files.absolute(scoring.embedder_weights),
        )
        kit, left_out = ScoringKit(networks, bank, options, per_track=per_track), ""
        embedder = kit.embedder
        kit.options = replace(options, embedder_digest=embedder.weights_digest)
        try:
            kit.fad = label_references(tracks, self.sample_rate, embedder, seed=self.config.seed)
        except BadInput as error:
            left_out = str(error)
        files = kit.to_files()
        for name, data in files.items():
            run.write_bytes(data, "kit", name)
        made = {
            "files": sorted(files),
            "probes": kit.probes,
            "passes": kit.forward_passes,
            "embedder": {"name": embedder.name, "weights_digest": embedder.weights_digest},
            "distances_left_out": left_out,
        }
        run.write_json(made, "kit", "made.json")
        return {}

    def _per_track(self, run: Run) -> Any:
        from safetensors.numpy import load

        from raysep.probes.per_track import PerTrack

        if self.config.scoring.unlearning != "per-track" or not run.has("attribution", attribute.RANKS):
            return None
        count = run.read_json("attribution", "record.json")["unlearned_tracks"]
        names = [attribute.ONE_TRACK.format(number) for number in range(count)]
        networks = tuple(attribute.load_network(run, name, "attribution")[0] for name in names)
        return PerTrack(networks, load(run.read_bytes("attribution", attribute.RANKS)))


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

        from raysep.probes.scoring import ScoringKit

        torch.set_num_threads(self.config.training.threads)
        run = Run(self.root)
        files = {name: run.read_bytes("kit", name) for name in run.read_json("kit", "made.json")["files"]}
        kit = ScoringKit.from_files(files).to("cuda" if torch.cuda.is_available() else "cpu")
        first = self.config.scoring.first_segments
        further = effort.read_plan(run) if first and self.stage == SCORE else None
        choose = effort.first_look(first) if self.stage == effort.FIRST_LOOK else None

        def run_one(shard: int, payload: Any) -> dict:
            rows: list[dict] = []
            tracks = manifest.tracks_of(Stem(**row) for row in payload)
            if further is None:
                for track, stems in tracks.items():
                    rows += self._track(kit, track, stems, choose)
            else:
                looked = effort.Continuation.read(run, PART.format(shard), further, first, kit.probes)
                for track, stems in tracks.items():
                    rows += looked.go_on(track, stems, partial(self._track, kit))
            return _finish(run, shard, self.fingerprint, rows, kit.probes, self.stage)

        return run_one

    def _track(self, kit: Any, track: str, stems: dict[str, Stem], *chosen: Any) -> list[dict]:
        from raysep.corpus.reading import read_stem
        from raysep.probes.scoring import score_track

        audio, rows = {}, []
        for label, stem in stems.items():
            try:
                audio[label] = read_stem(stem, self.sample_rate, self.channels)
            except AudioError as error:
                rows.append(_failed_row(stem, type(error).__name__, str(error)))
        try:
            return rows + (score_track(kit, audio, track, *chosen) if audio else [])
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
