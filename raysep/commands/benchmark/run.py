"""Does cleaning pay? What `raysep benchmark run` calls: the same arms, seeds and steps on one corpus after another.

OUT/
  run.json             what went in: the corpora, settings, versions; more draws, seeds and arms can be added later
  draw-0/corpus/       the first corpus, of seed --seed; not with a corpus of your own
  draw-0/run/          its run, as `raysep clean` leaves it, with the proof; resumable as that is
  draw-1/ …            the next, of the next seed: other songs and other faults
  results.parquet      SDR of each draw, arm, seed, test song and stem
  benchmark.parquet    a row for each arm: SDR, gain, share of the gap closed, with intervals, and the verdict
  comparisons.parquet  what was cleaned against every other arm
  detection.parquet    AUROC of the fusion and of the best single probe, weighed by harm, macro, by kind
  draws.parquet        a row for each draw: gate, share estimated and true, clean stems lost, faults left
  benchmark.md         all of it to be read, with the command, commit, seeds and machine
  sdr.svg  gain.svg  detection.svg
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from raysep import config as settings
from raysep import pipeline
from raysep.commands.benchmark.sources import ARMS, Own, Rendered
from raysep.corpus import benchmark, conditions, outputs, storage
from raysep.corpus.benchmark import Corpora
from raysep.corpus.hashing import fingerprint
from raysep.errors import BadInput, FinishedWithFailures
from raysep.resources import pool_size
from raysep.rundir import Run
from raysep.screen import Progress


@dataclass(frozen=True)
class RunRequest:
    """What `raysep benchmark run` was asked."""

    source: Rendered | Own
    out: str
    draws: int = 2
    seeds: int = 3  # of every arm in every draw
    seed: int = 1
    arms: tuple[str, ...] = ARMS
    preset: str | None = None  # None: the source's
    workers: int | str | None = None
    address: str | None = None
    quiet: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)  # of the settings, over the preset


@dataclass(frozen=True)
class Draw:
    """One corpus and the run on it."""

    number: int
    seed: int
    run: Run
    truth: str


def run(request: RunRequest) -> Run:
    """Every draw from its songs to its proof, then the figures over all of them. Returns the finished folder.

    What is done is not done again: a killed one goes on, a finished one only prints. Raises ``BadInput`` before any work
    for arms or inputs that give no answer, ``RunConflict`` when ``out`` holds something else, and when all is done
    ``FinishedWithFailures`` when some stems could not be scored.
    """
    from raysep.commands.benchmark import run_detection, run_figures, run_tables

    _check(request)
    outputs.try_folder(request.out)
    whole = Run(request.out)
    about = {
        "source": {"kind": type(request.source).__name__.lower(), **asdict(request.source)},
        "preset": request.preset or request.source.preset,
        "overrides": _overrides(request, 0),
        "seed": request.seed,
    }
    whole.open(fingerprint({**about, "overrides": _beside_the_proof(request)}), about)
    draws = [_draw(request, number) for number in range(request.draws)]
    results = pa.concat_tables(_results(draw) for draw in draws)
    whole.write_table(results, "results.parquet")
    found = run_figures.figures(results.to_pylist())
    seen = run_detection.detection([(draw.number, draw.run, draw.truth) for draw in draws])
    run_tables.write(whole, request, draws, found, seen)
    run_tables.show(whole, found, seen)
    _refuse_failures(draws)
    return whole


def _check(request: RunRequest) -> None:
    """Raise ``BadInput`` for what would only show after a corpus was made."""
    from raysep.stages import arms

    source = request.source
    if isinstance(source, Own):
        if request.draws != 1:
            raise BadInput(
                f"--draws {request.draws}: there is one corpus of your own; leave the option out, or use --size"
            )
    else:
        benchmark.size_of(source.size)
        conditions.condition(source.condition)
        if storage.is_remote(request.out):
            raise BadInput(f"--out {request.out}: the songs are written to a local folder; give a local path")
    name = request.preset or source.preset
    config = settings.preset("tiny" if name == "auto" else name, _overrides(request, 0))
    if missing := [name for name in (arms.CONTAMINATED, arms.CLEANED) if name not in config.proof.arms]:
        raise BadInput(f"--arms: {' and '.join(missing)} must be among them, which the others are compared with")
    clean = source.clean if isinstance(source, Own) else "clean"
    arms.check_arms(config, has_test=True, benchmark=pipeline.Benchmark("truth", clean))


def _overrides(request: RunRequest, number: int) -> dict[str, Any]:
    proof = {"arms": list(request.arms), "seeds": list(range(request.seeds))}
    return settings.merge({"proof": proof, "seed": request.seed + number}, request.overrides)


def _beside_the_proof(request: RunRequest) -> dict[str, Any]:
    """The settings without arms and seeds, of which a folder may be given more."""
    overrides = _overrides(request, 0)
    proof = {name: value for name, value in overrides["proof"].items() if name not in ("arms", "seeds")}
    return {**overrides, "proof": proof}


def _draw(request: RunRequest, number: int) -> Draw:
    """One corpus, made if need be, and its finished run, with the arms and seeds that were asked for, at least."""
    progress, seed = Progress(request.quiet), request.seed + number
    folder = storage.join(storage.absolute(request.out), f"draw-{number}")
    progress.say(f"draw {number + 1} of {request.draws}, seed {seed}: {folder}")
    places, source = _corpora(request, number, progress), request.source
    asked = pipeline.Request(
        corpus=places.train,
        reference=places.reference,
        test=places.test,
        out=storage.join(folder, "run"),
        preset=request.preset or source.preset,
        overrides=settings.merge(_overrides(request, number), _begun(storage.join(folder, "run"))),
        workers=request.workers,
        address=request.address,
        quiet=request.quiet,
        layout=source.layout if isinstance(source, Own) else None,
    )
    clean = source.clean if isinstance(source, Own) else places.clean
    condition = source.condition if isinstance(source, Rendered) else None
    if not pipeline.is_finished(asked):
        try:
            pipeline.clean(asked, pipeline.Benchmark(places.truth, clean, condition))
        except FinishedWithFailures as error:
            progress.say(f"note: {error}")  # the other draws are still to come
    _further(request, number, Run(asked.out))
    return Draw(number, seed, Run(asked.out), places.truth)


def _begun(root: str) -> dict[str, Any]:
    """The arms and seeds of a draw's run that is there: it is finished with these before others are added."""
    record = Run(root).read_json("run.json") if Run(root).has("run.json") else {}
    proof = record.get("config", {}).get("proof", {})
    return {"proof": {name: proof[name] for name in ("arms", "seeds") if name in proof}}


def _further(request: RunRequest, number: int, run: Run) -> None:
    """Train and judge what was asked for and that the draw's run, which is finished, does not have."""
    proof = _overrides(request, number)["proof"]
    arms, seeds = proof["arms"], proof["seeds"]
    left_out = run.read_json("run.json").get("arms_left_out", {})
    there = {(row["arm"], row["seed"]) for row in run.read_table("results.parquet").select(["arm", "seed"]).to_pylist()}
    if {(arm, seed) for arm in arms for seed in seeds if arm not in left_out} - there:
        how_many = max(seeds) + 1
        pipeline.prove(run.root, arms, how_many, workers=request.workers, address=request.address, quiet=request.quiet)


def _corpora(request: RunRequest, number: int, progress: Progress) -> Corpora:
    source = request.source
    if isinstance(source, Own):
        return Corpora(source.clean or "", source.corpus, source.reference, source.test, source.truth)
    place = storage.join(storage.absolute(request.out), f"draw-{number}", "corpus")
    if not benchmark.note_of(place):  # written last
        with progress.bar("corpus") as advance:
            benchmark.make_corpus(
                place,
                source.size,
                request.seed + number,
                pool_size(request.workers).most,
                advance,
                condition=source.condition,
                songs=source.songs,
                reference=source.reference,
            )
    return benchmark.places_in(place)


def _results(draw: Draw) -> pa.Table:
    table = draw.run.read_table("results.parquet")
    return table.add_column(0, "draw", pa.array([draw.number] * len(table), pa.int32()))


def _refuse_failures(draws: list[Draw]) -> None:
    failed = [(draw, row) for draw in draws for row in draw.run.read_table("failed.parquet").to_pylist()]
    if failed:
        draw, first = failed[0]
        raise FinishedWithFailures(
            f"finished, but {len(failed)} stems failed, first {first['stem_id']} of draw {draw.number} "
            f"({first['message']}); all are in the failed.parquet of each draw's run"
        )
