"""What each stem of a decided run is worth: trainings with their derivative, a seed each.

RUN/
  worth.parquet      a row for each stem: dB on the reference, its spread over seeds
  worth.json         what it was made by, whether it can be trusted, what it cost
  worth/  done/worth/  a part and a marker for each seed: what is there is not done again
  worth-evidence.parquet  worth-evidence/  done/worth-evidence/   of corpus, calibration and planted stems, as a probe has them
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from raysep import lease, pipeline
from raysep.commands.worth import tables, training
from raysep.commands.worth.worker import ToTrace, Tracer
from raysep.config import to_dict
from raysep.corpus.hashing import fingerprint
from raysep.errors import BadInput, RaysepError
from raysep.resources import pool_size
from raysep.rundir import Run, existing
from raysep.screen import Progress
from raysep.stages import plant
from raysep.stages.context import Context
from raysep.stages.passes import Marker, Pass
from raysep.stages.plant import Planting
from raysep.training.entry import whole
from raysep.training.plan import Plan

STAGE, TABLE, RECORD = "worth", "worth.parquet", "worth.json"
EVIDENCE = "worth-evidence"


@dataclass(frozen=True)
class WorthRequest:
    """What `raysep worth` was asked."""

    run: str
    seeds: int = 4
    by_label: bool = False
    evidence: bool = False  # train on calibration and planted stems, too: a probe, and no price
    memory_gib: float = 4.0  # of states, for each training at once
    overrides: dict[str, Any] = field(default_factory=dict)  # of the run's settings
    workers: int | str | None = None  # as ``--workers`` has them
    address: str | None = None
    quiet: bool = False


def worth(request: WorthRequest) -> Run:
    """Train, trace back, write ``worth.parquet`` and print it. Returns the run, whose decision is as it was.

    Raises ``BadInput`` for a run that is not decided, and for a network or a recipe without a derivative, ``RaysepError``
    when the derivative cannot be trusted or a training failed.
    """
    from raysep.cluster import session, shards

    run, progress = existing(request.run, "decision.parquet", "manifest.parquet"), Progress(request.quiet)
    with lease.held(run), session.session(request.address) as available:
        context, inputs = pipeline.reopened(run, available, progress, request.workers)
        config, told = training.smoothed(context.config, request.overrides)
        context, stage = replace(context, config=config), EVIDENCE if request.evidence else STAGE
        planting = plant.plant(context, inputs) if request.evidence else None
        trained_on = inputs.corpus + (planting.trained if planting else [])
        targets = [fold.target for fold in planting.folds] if planting else [inputs.reference]
        plans = [training.planned(context, stage, whole(trained_on), seed) for seed in range(request.seeds)]
        needs = training.checked(plans[0], request.memory_gib)
        say(context, needs, told, request, len(targets))
        own = fingerprint(context.fingerprint, config, request.by_label)
        asked = tuple(training.asked(context, target) for target in targets)
        ones = (1.0,) * len(plans[0].stems)
        work = {seed: ToTrace(plan, asked, ones, request.by_label, gated=seed == 0) for seed, plan in enumerate(plans)}
        with run.stage(stage) as record, shards.kept_workers(), progress.bar(stage) as advance:
            tracer = Tracer.of(context, fingerprint=own, stage=stage, memory_gib=request.memory_gib)
            todo = replace(Pass.of(context, stage), fingerprint=own)
            # The first says whether the others are worth their time.
            trained(todo, tracer, {0: work[0]}, advance, request.seeds)
            gate = todo.done[0]["counts"]["gate"]
            if not gate["trusted"]:
                raise RaysepError(gate["words"] + " (--set changes a setting)")
            trained(todo, tracer, work, advance, request.seeds)
            markers = [todo.done[seed] for seed in range(request.seeds)]
            if planting:
                _write_scores(run, markers, plans[0], planting)
            else:
                _write(run, context, request, markers, inputs.corpus, record)
    if planting:
        progress.say(f"scores: {run.path(EVIDENCE)}.parquet; `raysep decide {run.root} --with-worth` goes by them")
        return run
    if not request.quiet:
        table = run.read_table(TABLE)
        tables.show(table, request.seeds)
        for line in run.read_json(RECORD)["found"]:
            print(line)
        print(f"worth: {run.path(TABLE)}")
    return run


def trained(todo: Pass, tracer: Tracer, work: dict[int, ToTrace], advance: Any, of: int | None = None) -> None:
    """Every training of ``work`` that is not done. Raises ``RaysepError`` with the reason of the first that failed."""
    done = todo.run(tracer, work, advance, gpu=True, of=of)
    if done.lost:
        raise RaysepError(f"{todo.folder.root}: {todo.stage} failed ({done.reason})")


def say(context: Context, needs: training.Needs, told: str, request: WorthRequest, references: int) -> None:
    """What it takes, before it is taken."""
    if told:
        context.progress.say(f"note: {told}")
    if needs.left_out:
        context.progress.say(f"note: not in the derivative: {', '.join(needs.left_out)}")
    queries = len(context.config.labels) if request.by_label else references
    each = needs.trainings + training.EACH_QUERY * (queries - 1)
    at_once = max(1, min(request.seeds, pool_size(request.workers).most or request.seeds, int(context.available.cpus)))
    context.progress.say(
        f"{request.seeds} seeds, each about {each:g} trainings of {context.config.training.steps} steps (and two more for the "
        f"first, which says whether to trust it); {needs.words(at_once)}; less than {1 + request.seeds} MiB on disk"
    )


def _write(
    run: Run, context: Context, request: WorthRequest, markers: list[Marker], corpus: list[Any], record: dict[str, Any]
) -> None:
    parts = [run.read_table(marker["part"]) for marker in markers]
    table = tables.table_of(parts, markers, corpus)
    run.write_table(table, TABLE)
    label_of = {stem.stem_id: stem.stem for stem in corpus}
    agree = tables.agreement(parts, np.array([label_of[stem_id] for stem_id in parts[0]["stem_id"].to_pylist()]))
    counts = [marker["counts"] for marker in markers]
    unread = counts[0]["unread"]
    told = {
        "seeds": request.seeds,
        "training": to_dict(context.config)["training"],
        "gate": counts[0]["gate"],
        "agreement": agree,
        "losses": [each["losses"] for each in counts],
        "growth": max(each["growth"] for each in counts),
        "trainings": sum(each["cost"] for each in counts) + 2,
        "seconds": sum(each["seconds"] for each in counts),
        "unread": unread,
        "found": [
            counts[0]["gate"]["words"],
            *tables.sentences(table, request.seeds, agree),
            *([f"{len(unread)} stems could not be read, first {next(iter(unread))}"] if unread else []),
        ],
    }
    run.write_json(told, RECORD)
    record.update(seeds=request.seeds, trainings=round(told["trainings"], 1), agreement=agree)


def _write_scores(run: Run, markers: list[Marker], plan: Plan, planting: Planting) -> None:
    parts = [run.read_table(marker["part"]) for marker in markers]
    labels = np.array([entry.label for entry in plan.stems])
    fold = np.array([planting.fold_of.get(entry.stem.track, 0) for entry in plan.stems])
    run.write_table(tables.scores_of(parts, markers, labels, fold), f"{EVIDENCE}.parquet")


def check_memory(memory_gib: float) -> None:
    """Raises ``BadInput``."""
    if not memory_gib > 0:
        raise BadInput(f"--memory {memory_gib:g}: must be more than 0 GiB")


def check_questions(by_label: bool, evidence: bool) -> None:
    """Raises ``BadInput``."""
    if by_label and evidence:
        raise BadInput("--by-label --evidence: a probe is of all labels together; give one of them")
