"""How good attribution is, measured by retraining: what `raysep benchmark attribution` calls.

Separators are trained without random sets of tracks, few or many. An attribution of separators trained on all of them is
good when the summed scores of what is left predict the loss on the reference of what was trained on it: with seeds of its own,
or with the draws of the separator that was attributed. Besides, what is removed because its scores are low must leave a better
training, two separators trained alike must agree in their scores, and random weights must destroy the ranking.

OUT/
  run.json             what went in: corpora by digest, settings, versions
  bases/seed0/         a separator trained on all tracks: its checkpoint, and the weights that attribution compares
  bases/seed0-random/  the same of weights that were never trained
  scores/  losses/     parts by shards, and done/ their markers: the same command goes on where a killed one ended
  metagradients.parquet  a row for each base and stem, where `eps_root` is above 0; so are
  rivals.parquet       a row for each base and stem, a column for each rival of the metagradient, and
  same.parquet         a row for each subset and base: the loss of the base's own training with the rest at weight 0
  scores.parquet       a row for each base, its weights (trained or random) and stem; a column for each probe
  losses.parquet       a row for each subset, seed and label: the loss on the reference
  subsets.parquet      a row for each subset and track in it
  removals.parquet     a row for each method, share removed and seed: the loss of a training on the rest
  attribution.json     the figures, with what each means
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from raysep import config as settings
from raysep.commands.benchmark.attribution_rivals import (
    Removal,
    RemovalTrainer,
    RivalScorer,
    Without,
    WithoutTrainer,
    worst,
)
from raysep.commands.benchmark.attribution_workers import (
    WEIGHTS,
    Base,
    BaseScorer,
    BaseTracer,
    BaseTrainer,
    Subset,
    SubsetTrainer,
    ToScore,
    ToTrace,
    TrainingWorker,
    folder_of,
)
from raysep.corpus import benchmark, manifest, outputs, storage, truth
from raysep.corpus.dealing import split
from raysep.corpus.hashing import fingerprint, generator
from raysep.corpus.inputs import Inputs
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.corpus.segments import Drawn, draw
from raysep.errors import BadInput, RaysepError
from raysep.rundir import Run
from raysep.screen import Progress
from raysep.stages import attribute
from raysep.stages.context import Context
from raysep.stages.passes import Pass
from raysep.stages.plant import Planting

SCORE_SHARDS = 4  # of each base's trained and of its random weights
TRAINING = {"batch": 4}  # over the preset `tiny`: on one thread three times as many steps a second as of 8


@dataclass(frozen=True)
class QualityRequest:
    """What `raysep benchmark attribution` was asked."""

    bench: str  # what `raysep benchmark corpus` wrote
    out: str
    subsets: int = 30  # of each size
    seeds: int = 3
    steps: int = 300  # of every training
    hidden: int = 48  # of every separator
    drops: tuple[float, ...] = (0.01, 0.05, 0.1, 0.5)  # shares of the tracks that subsets leave out
    removed: tuple[float, ...] = (0.05, 0.1, 0.2)  # shares of each label that are removed by their scores
    bases: int = 2  # separators trained on all tracks, whose attributions are compared
    eps_root: float = 1e-4  # of every training; 0 leaves out what needs the derivative of a training
    seed: int = 1
    draws: int = 1000  # of every interval
    workers: int | str | None = None
    address: str | None = None
    quiet: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)  # of the settings, over all of these


def quality(request: QualityRequest) -> Run:
    """Train, attribute, score, retrain on subsets, and print how they agree. Returns the finished folder.

    Raises ``BadInput`` for a corpus without truth or with fewer than four tracks, ``RunConflict`` when ``out`` holds
    something else, ``RaysepError`` when a training or a scoring failed.
    """
    from raysep.cluster import session, shards
    from raysep.commands.benchmark import attribution_figures, attribution_tables

    for drop in request.drops:
        if not 0 < drop < 1:
            raise BadInput(f"--drop {drop:g}: a share of the tracks, above 0 and below 1")
    training = {**TRAINING, "steps": request.steps, "eps_root": request.eps_root}
    changes = {"network": {"hidden": request.hidden}, "training": training}
    config = settings.preset("tiny", settings.merge({**changes, "seed": request.seed}, request.overrides))
    outputs.try_folder(request.out)
    found, rows = read_bench(request.bench)
    # Not that of the subsets: more of them can be added later.
    counts = {n: getattr(request, n) for n in ("seeds", "bases", "drops", "removed")}
    about = {
        "bench": storage.absolute(request.bench),
        "condition": benchmark.note_of(request.bench).get("condition"),
        "digests": {**found.digest(), "truth": fingerprint(rows)},
        "settings": settings.to_dict(config),
        **counts,
    }
    same = fingerprint(config, about["digests"], counts)
    run = Run(request.out)
    run.open(same, about)
    run.update({"subsets": request.subsets})
    progress = Progress(request.quiet)
    with session.session(request.address) as available, shards.kept_workers():
        for uri in (run.root, found.corpus[0].uri):
            session.check_reachable(uri, available)
        context = Context(
            run, config, available, progress, same, request.workers, False, found.sample_rate, found.channels
        )
        _bases(context, found, request.bases)
        _derivatives(context, found, request.bases)
        _scores(context, found, request.bases)
        _losses(context, found, request)
        _removals(context, found, request, rows)
    figures = attribution_figures.figures(run, rows, request.draws, request.seed)
    result = {**about, "subsets": request.subsets, **figures}
    run.write_json(result, "attribution.json")
    attribution_tables.show(result, run.root)
    return run


def read_bench(bench: str) -> tuple[Inputs, list[dict]]:
    """The training, reference and, if any, test tracks of a benchmark corpus, and its truth. Raises ``BadInput``."""
    root = storage.absolute(bench)
    for part in ("train", "reference"):
        if not storage.list_files(storage.join(root, part)):
            raise BadInput(f"{bench}: holds no {part}/; make one with `raysep benchmark corpus {bench}`")
    if not storage.exists(storage.join(root, "truth.parquet")):
        raise BadInput(f"{bench}: holds no truth.parquet; make one with `raysep benchmark corpus {bench}`")
    corpus, reference = (stems_of(storage.join(root, p), split=p).stems for p in ("train", "reference"))
    tested = storage.join(root, "test")
    found = Inputs(corpus, reference, stems_of(tested, split="test").stems if storage.list_files(tested) else [])
    tracks = manifest.tracks_of(found.corpus)
    if len(tracks) < 4:
        raise BadInput(f"{bench}/train: {len(tracks)} tracks; give four or more, so that their halves differ")
    rows = truth.read(storage.join(root, "truth.parquet"))
    if missing := sorted({s.stem_id for s in found.corpus} - {row["stem_id"] for row in rows}):
        raise BadInput(
            f"{bench}/truth.parquet: says nothing of {missing[0]}; give the table that belongs to this corpus"
        )
    return found, rows


def draw_subsets(tracks: list[str], count: int, seed: int, drop: float = 0.5) -> list[list[str]]:
    """``count`` sets of tracks without a share ``drop`` of them, drawn at random: the first are the same however many
    there are, and none is drawn again while there is another. At least one track is left out, and one in.

    Whole tracks: a half then holds equally many stems of every label, and halves differ as much as they can, since some
    faults (bleeding, swapped labels) touch several stems of a track.
    """
    order = np.array(sorted(tracks))
    kept = min(max(1, int(len(order) * (1 - drop) + 1e-9)), len(order) - 1)
    drawn = (sorted(generator(seed, "subset", k).permutation(order)[:kept].tolist()) for k in itertools.count())
    found: list[list[str]] = []
    while len(found) < count:
        chosen = next(drawn)
        if chosen not in found or len(found) >= math.comb(len(order), kept):
            found.append(chosen)
    return found


# The stages -------------------------------------------------------------------------------------------------------


def _bases(context: Context, found: Inputs, bases: int) -> None:
    """Separators trained on all tracks, random ones beside them, and the weights that the attribution compares."""
    payloads = {number: Base(number, found.corpus) for number in range(bases)}
    _run(context, "bases", BaseTrainer, payloads)
    planting = Planting(found.reference, [], [], {})
    for number in range(bases):
        for weights in WEIGHTS:
            attribute.attribute(replace(context, run=Run(folder_of(context.run, number, weights))), found, planting)


def _scores(context: Context, found: Inputs, bases: int) -> None:
    """Leaves ``scores.parquet``."""
    bank = draw(context.segments_of(found.reference), context.config.scoring.bank_segments, "bank")
    reference = Drawn.of(bank, found.reference)
    parts = split(manifest.tracks_of(found.corpus), SCORE_SHARDS)
    plan = [
        ToScore(number, weights, _of_tracks(tracks, found.corpus), reference)
        for number in range(bases)
        for weights in WEIGHTS
        for tracks in parts.values()
    ]
    _run(context, "scores", BaseScorer, dict(enumerate(plan)))


def _derivatives(context: Context, found: Inputs, bases: int) -> None:
    """Leaves ``metagradients.parquet`` and ``rivals.parquet``, unless the trainings are not to be smooth."""
    if not context.config.training.eps_root:
        return
    plan = {number: ToTrace(number, found.corpus, _whole(context, found.reference)) for number in range(bases)}
    _run(context, "metagradients", BaseTracer, plan)
    _run(context, "rivals", RivalScorer, plan)


def _losses(context: Context, found: Inputs, request: QualityRequest) -> None:
    """Leaves ``subsets.parquet``, ``losses.parquet`` and, where trainings are smooth, ``same.parquet``."""
    tracks, drops = list(manifest.tracks_of(found.corpus)), request.drops
    drawn = [draw_subsets(tracks, request.subsets, context.config.seed, drop) for drop in drops]
    chosen = [(drop, of[k]) for k in range(request.subsets) for drop, of in zip(drops, drawn, strict=True)]
    rows = [
        {"subset": number, "drop": drop, "track": track} for number, (drop, kept) in enumerate(chosen) for track in kept
    ]
    context.run.write_table(pa.Table.from_pylist(rows), "subsets.parquet")
    reference = _whole(context, found.reference)
    plan = [
        Subset(number, seed, _of_tracks(kept, found.corpus), reference)
        for number, (_, kept) in enumerate(chosen)
        for seed in range(request.seeds)
    ]
    _run(context, "losses", SubsetTrainer, dict(enumerate(plan)))
    if context.config.training.eps_root:
        again = [
            Without(number, base, found.corpus, frozenset(kept), reference)
            for number, (_, kept) in enumerate(chosen)
            for base in range(request.bases)
        ]
        _run(context, "same", WithoutTrainer, dict(enumerate(again)))


def _removals(context: Context, found: Inputs, request: QualityRequest, rows: list[dict]) -> None:
    """Leaves ``removals.parquet``: of every method, and of nothing removed."""
    from raysep.commands.benchmark import attribution_figures

    known, scores = attribution_figures.read_scores(context.run, rows)
    place = {stem.stem_id: stem for stem in found.corpus}
    parts = {"reference": found.reference, "test": found.test}
    judges = {name: _whole(context, stems) for name, stems in parts.items() if stems}
    arms = [("", 0.0, np.zeros(len(known.ids), bool))] + [
        (method, share, worst(score, known.labels, share, context.config.seed))
        for method, score in attribution_figures.means(known, scores, context.config.seed).items()
        for share in request.removed
    ]
    plan = [
        Removal(method, share, seed, [place[i] for i, out in zip(known.ids, gone, strict=True) if not out], judges)
        for method, share, gone in arms
        for seed in range(request.seeds)
    ]
    _run(context, "removals", RemovalTrainer, dict(enumerate(plan)))


def _whole(context: Context, stems: list[Stem]) -> Drawn:
    """Every segment of these."""
    return Drawn(stems, context.segments_of(stems))


def _of_tracks(tracks: Iterable[str], stems: Iterable[Stem]) -> list[Stem]:
    chosen = set(tracks)
    return [s for s in stems if s.track in chosen]


def _run(context: Context, stage: str, worker: type[TrainingWorker], payloads: dict[int, Any]) -> None:
    """Every shard that is not done, then ``STAGE.parquet`` of the parts of all, in order."""
    run = context.run
    if run.is_done(stage) and run.read_json("done", f"{stage}.json")["shards"] == len(payloads):
        return
    with run.stage(stage) as record, context.progress.bar(stage) as advance:
        # One thread: as many trainings at once as there are cores, and the same bits on any machine.
        done = Pass.of(context, stage).run(worker.of(context, threads=1), payloads, advance)
        if done.lost:
            raise RaysepError(
                f"{run.root}: {stage} failed ({done.reason}); put that right and start the same command again"
            )
        markers = run.shards_done(stage, context.fingerprint)
        parts = [markers[number]["part"] for number in payloads]
        if parts[0].endswith(".parquet"):
            run.write_table(pa.concat_tables([run.read_table(part) for part in parts]), f"{stage}.parquet")
        record.update(shards=len(payloads), shards_done_now=done.now)
