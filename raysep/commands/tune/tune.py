"""The search of a run: short trainings from the network that scored, then full trainings of the best, then the choice.

RUN/
  tune.parquet  tune.json  tune.svg    what was found
  tune/                                the trials: what a killed search goes on from
    warm/        Ray Tune's            checkpoints/ training/ evaluation/ done/   of the full trainings, as in a run
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from raysep import driving, pipeline
from raysep.commands.tune import figures, space, trials
from raysep.commands.tune.trials import Candidate
from raysep.corpus import storage
from raysep.corpus.hashing import fingerprint
from raysep.corpus.inputs import Inputs
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput
from raysep.report import page, tuning
from raysep.rundir import Run, existing
from raysep.screen import Progress, print_table, terminal
from raysep.stages import decide, plant, prove, search, train
from raysep.stages.context import Context
from raysep.stages.plant import Planting

FOLDER, TABLE, RECORD, PICTURE = "tune", "tune.parquet", "tune.json", "tune.svg"


@dataclass(frozen=True)
class TuneRequest:
    """What `raysep tune` was asked."""

    run: str
    trials: int = 16
    full: int = 3
    probes: tuple[str, ...] = ()  # none: chosen by the planted faults
    workers: int | str | None = None
    address: str | None = None
    quiet: bool = False


def tune(request: TuneRequest) -> Run:
    """Search, write what was found into the run's folder, and print it. Returns the run, whose decision is as it was.

    Raises ``BadInput`` for a run that has not been scored and for a probe that it has no scores of, ``RaysepError`` when
    every short training failed, or a full one did.
    """
    from raysep.cluster import session

    run = existing(request.run, "stems.parquet", "manifest.parquet", "reference.parquet")
    if not run.has("checkpoints", f"{train.FINAL}.safetensors"):
        raise BadInput(
            f"{run.root}: its checkpoints are gone, and trials begin at {train.FINAL}; clean into a new folder"
        )
    if request.probes:
        space.named_probes(run.read_table("stems.parquet"), request.probes)  # what is none shows before Ray starts
    progress = Progress(request.quiet)
    with driving.driven(run, progress), session.session(request.address) as available:
        context, inputs = pipeline.reopened(run, available, progress, request.workers)
        planting = plant.plant(context, inputs)
        held_out, why = held_out_of(inputs, planting)
        if why:
            progress.say(f"note: {why}")
        deciding = decide_automatically(context)
        warm, rows = _warm(context, inputs, planting, request)
        candidates = trials.controls(_inside(context), inputs)
        candidates += trials.survivors(run, warm, usable(inputs), request.full, candidates)
        plans = _full(context, candidates, held_out)
    _write(context, request, candidates, rows, plans, deciding, held_out, why)
    show(run)
    return run


def usable(inputs: Inputs) -> list[Stem]:
    return [stem for stem in inputs.corpus if stem.frames]


def _inside(context: Context) -> Context:
    """The same in the folder of the full trainings."""
    return replace(context, run=Run(context.run.path(FOLDER)))


def held_out_of(inputs: Inputs, planting: Planting) -> tuple[list[Stem], str]:
    """Reference tracks that the short trainings do not go by, and what to say if there are none.

    Where folds rotate those go by the first fold's target, and all tracks gave scores.
    """
    seen = {stem.track for stem in planting.folds[0].target}
    held_out = [stem for stem in inputs.reference if stem.track not in seen]
    if held_out:
        return held_out, ""
    tracks = len(seen)
    why = f"the reference is too small to hold tracks out: judged on all {tracks}, which the scores were made with"
    return inputs.reference, why


def decide_automatically(context: Context) -> float:
    """The run's own decision, into the folder of the trials; returns the seconds that it took."""
    begin, folder = time.perf_counter(), _inside(context).run
    about = {"fingerprint": context.fingerprint, "started": context.run.read_json("run.json")["started"]}
    folder.update({"stages": {}, **about, "of": context.run.root})
    folder.write_table(decide.table_again(context.run, {}), "decision.parquet")
    return round(time.perf_counter() - begin, 2)


def _warm(
    context: Context, inputs: Inputs, planting: Planting, request: TuneRequest
) -> tuple[list[dict[str, Any]], list[figures.Row]]:
    """The short trainings as the search has them, and as the table has them."""
    run, stems = context.run, usable(inputs)
    found, told = space.space_of(run, context.config, stems, request.probes)
    for line in told:
        context.progress.say(f"note: {line}")
    trial = search.trial_of(context, inputs, planting)
    scores = storage.digest(run.read_bytes("stems.parquet"))
    with context.progress.bar("warm starts", "trials") as advance:
        rows = search.warm_starts(
            context,
            trial,
            found,
            samples=request.trials,
            first=space.spread(found, request.trials),
            name=f"warm-{fingerprint(context.fingerprint, scores, found, request.trials)}",
            storage_path=run.path(FOLDER, "warm"),
            advance=advance,
        )
    if failed := search.refuse_failures(rows):
        context.progress.say(f"note: {failed}")
    return rows, [figures.warm_row(row, trial) for row in rows]


def _full(context: Context, candidates: Sequence[Candidate], held_out: list[Stem]) -> dict[str, list[Any]]:
    """Train the candidates and judge them; returns their plans by content."""
    folder, arms = _inside(context), trials.arms_of(candidates)
    for stage in ("retrain", "evaluate"):  # markers of other candidates: what is trained and judged stays
        storage.delete(folder.run.path("done", f"{stage}.json"))
    if adopted := trials.adopt(context, folder, arms):
        context.progress.say(f"the run has trained {', '.join(adopted)} already: not trained again")
    prove.train_and_evaluate(folder, arms, held_out)
    seeds = context.config.proof.seeds
    return {arm.name: [trials.plan_of(folder, arm, seed) for seed in seeds] for arm in arms}


def _write(
    context: Context,
    request: TuneRequest,
    candidates: Sequence[Candidate],
    rows: list[figures.Row],
    plans: dict[str, list[Any]],
    deciding: float,
    held_out: Sequence[Stem],
    why: str,
) -> None:
    run = context.run
    results = _inside(context).run.read_table("results.parquet").to_pylist()
    warm, rows = rows, figures.full_rows(candidates, results, plans) + rows
    run.write_table(pa.Table.from_pylist(rows, schema=figures.TRIALS), TABLE)
    run.write_bytes(tuning.file([row for row in rows if row["fidelity"] == figures.FULL]).encode(), PICTURE)
    record = run.read_json("run.json")
    costs = figures.costs_of(warm, [plan for each in plans.values() for plan in each], record["stages"], deciding)
    tracks = sorted({stem.track for stem in held_out})
    found = figures.sentences(rows, costs, len(tracks)) + ([why] if why else [])
    about = {"trials": request.trials, "full": request.full, "seeds": list(context.config.proof.seeds)}
    scores = storage.digest(run.read_bytes("stems.parquet"))
    marked = {mark: figures.marked(rows, mark) for mark in ("chosen", "automatic")}
    run.write_json({"scores": scores, **about, "tracks": tracks, **marked, "costs": costs, "found": found}, RECORD)
    if run.has("summary.json") and run.has("results.parquet"):
        page.write(run, record.get("truth"))


def show(run: Run) -> None:
    """The full trainings as a table, and the findings."""
    from rich.table import Table

    console = terminal()
    table = Table(
        title="trained in full, SDR in dB on held-out reference tracks; ± one standard error", title_justify="left"
    )
    table.add_column("trial")
    for column in ("left out", "SDR", "below the best", "steps", "seconds"):
        table.add_column(column, justify="right")
    rows = [row for row in run.read_table(TABLE).to_pylist() if row["fidelity"] == figures.FULL]
    for row in sorted(rows, key=lambda row: -row["sdr"]):
        table.add_row(
            row["trial"] + (" (chosen)" if row["chosen"] else ""),
            f"{row['left_out']:.0%}",
            f"{row['sdr']:.2f} ± {row['standard_error']:.2f}",
            f"{row['below_best']:.2f} ± {row['below_best_error']:.2f}",
            str(row["steps"]),
            f"{row['seconds']:.0f}",
        )
    print_table(console, table)
    for line in [*run.read_json(RECORD)["found"], *how_to_use(run, next(row for row in rows if row["chosen"]))]:
        console.print(line)
    console.print(f"picture: {run.path(PICTURE)}")


def how_to_use(run: Run, chosen: figures.Row) -> list[str]:
    """The commands that act on the choice, where it is not what the run does anyway."""
    if not chosen["ratio"]:
        return []
    where, ratio, probe = run.root, chosen["ratio"], chosen["probe"]
    return [
        "to use it:",
        f"  raysep decide {where} --rule ratio --ratio {ratio:g} --probe {probe} --out chosen.parquet",
        f"  raysep train {where}/manifest.parquet --decision chosen.parquet --handling {chosen['handling']} --out separator",
    ]
