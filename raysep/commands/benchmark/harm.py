"""How much each fault harms by itself: what `raysep benchmark harm` calls.

A kind of fault at one severity is planted in a share of the clean songs of a benchmark corpus, and a separator is trained
on the result; others, of the same seeds and as many steps, on the clean songs. Both are judged on the test songs.

OUT/
  run.json         what went in: corpora by digest, settings, versions
  results/         a part for each training, and done/ their markers: the same command goes on where a killed one ended
  results.parquet  SDR of each kind, severity, seed, test song and stem; kind "clean" for what had no faults
  harm.parquet     a row for each kind and severity: dB below clean with its interval, and whether the gate is passed
  harm.json        the same in the form in which raysep comes with it (raysep/corpus/harm.json)
  harm.md          the same to be read
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from raysep import config as settings
from raysep.commands.benchmark.harm_worker import HarmTrainer, Spoilt
from raysep.corpus import benchmark, manifest, outputs, storage
from raysep.corpus.faultplan import plan
from raysep.corpus.faults import KINDS, PAIRED, SEVERITIES, STRONGEST, check_choices
from raysep.corpus.hashing import fingerprint
from raysep.corpus.inputs import Inputs
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.corpus.truth import CLEAN
from raysep.errors import BadInput, RaysepError
from raysep.rundir import Run
from raysep.screen import Progress
from raysep.stages.context import Context
from raysep.stages.passes import Pass

STAGE = "results"
Cell = tuple[str, str]  # kind and severity; (CLEAN, "") without faults


@dataclass(frozen=True)
class HarmRequest:
    """What `raysep benchmark harm` was asked."""

    bench: str  # what `raysep benchmark corpus` wrote
    out: str
    kinds: tuple[str, ...] = ()  # none named: all
    severities: tuple[str, ...] = ()  # none named: all
    share: float = 0.4  # of the stems that gets the fault
    steps: int = 2000  # of every training
    seeds: int = 2
    seed: int = 1
    workers: int | str | None = None
    address: str | None = None
    quiet: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)  # of the settings, over the preset ``tiny``


def harm(request: HarmRequest) -> Run:
    """Plant, train, judge, and print what each fault costs. Returns the finished folder.

    Raises ``BadInput`` for a corpus without clean and test songs and for a share that a kind cannot reach in it,
    ``RunConflict`` when ``out`` holds something else, ``RaysepError`` when a training failed.
    """
    from raysep.cluster import session
    from raysep.commands.benchmark import harm_figures

    chosen = cells(request.kinds, request.severities)
    config = settings.preset(
        "tiny", settings.merge({"training": {"steps": request.steps}, "seed": request.seed}, request.overrides)
    )
    outputs.try_folder(request.out)
    clean, test = read_songs(request.bench)
    found = Inputs(clean, [], test)
    about = {
        "bench": storage.absolute(request.bench),
        "corpus": benchmark.note_of(request.bench),
        "digests": found.digest(),
        "settings": settings.to_dict(config),
        "share": request.share,
    }
    # Not the kinds and seeds that were asked for: more of them can be added later.
    same = fingerprint(config, about["digests"], request.share, KINDS, SEVERITIES)
    work = trainings(chosen, request, clean, test)
    run = Run(request.out)
    run.open(same, about)
    with session.session(request.address) as available:
        for uri in (run.root, clean[0].uri):
            session.check_reachable(uri, available)
        context = Context(
            run,
            config,
            available,
            Progress(request.quiet),
            same,
            request.workers,
            sample_rate=config.sample_rate or found.sample_rate,
            channels=found.channels,
        )
        _train(context, work)
    measured = harm_figures.figures(
        run.read_table("results.parquet").to_pylist(), len(manifest.tracks_of(clean)), request
    )
    harm_figures.write(run, measured, request)
    harm_figures.show(measured, run.root)
    return run


def cells(kinds: Sequence[str], severities: Sequence[str]) -> list[Cell]:
    """The faults to be measured, in the simulator's order; all of those that are not restricted.

    ``swap`` and ``merge`` have one strength, so they are measured once, whatever the severities.
    """
    check_choices("kind", kinds, KINDS)
    check_choices("severity", severities, SEVERITIES)
    strengths = [name for name in SEVERITIES if not severities or name in severities]
    return [
        (kind, severity)
        for kind in KINDS
        if not kinds or kind in kinds
        for severity in ([STRONGEST] if kind in PAIRED else strengths)
    ]


def number_of(cell: Cell, seed: int) -> int:
    """The shard of a training: the same whichever others were asked for, so that more can be added to a folder."""
    kind, severity = cell
    place = 0 if kind == CLEAN else 1 + KINDS.index(kind) * len(SEVERITIES) + SEVERITIES.index(severity)
    return seed * (1 + len(KINDS) * len(SEVERITIES)) + place


def trainings(chosen: Sequence[Cell], request: HarmRequest, clean: list[Stem], test: list[Stem]) -> dict[int, Spoilt]:
    """Every training by its number: the clean songs, and each fault in them, with every seed.

    The faults are the same with every seed. Raises ``BadInput`` for a share that a kind cannot reach.
    """
    labels = {track: tuple(stems) for track, stems in manifest.tracks_of(clean).items()}
    work = {}
    for kind, severity in [(CLEAN, ""), *chosen]:
        spoilt = kind != CLEAN
        faults = plan(labels, request.share, request.seed, (kind,), (severity,)) if spoilt else []
        for seed in range(request.seeds):
            payload = Spoilt(kind, severity, seed, tuple(faults), request.seed, clean, test)
            work[number_of((kind, severity), seed)] = payload
    return work


def read_songs(bench: str) -> tuple[list[Stem], list[Stem]]:
    """The clean training songs and the test songs of a benchmark corpus. Raises ``BadInput``."""
    places = benchmark.places_in(bench)
    for name in ("clean", "test"):
        if not storage.list_files(getattr(places, name)):
            raise BadInput(f"{bench}: holds no {name}/; make one with `raysep benchmark corpus {bench}`")
    return stems_of(places.clean, split="clean").stems, stems_of(places.test, split="test").stems


def _train(context: Context, work: dict[int, Spoilt]) -> None:
    """What is missing of the trainings; then ``results.parquet`` of the parts of all."""
    run = context.run
    with run.stage("harm") as record, context.progress.bar("harm") as advance:
        # One thread: as many trainings at once as there are cores, and the same bits on any machine.
        done = Pass.of(context, STAGE).run(HarmTrainer.of(context, threads=1), work, advance)
        if done.lost:
            raise RaysepError(
                f"{run.root}: {len(done.lost)} of {len(work)} trainings failed, first {done.reason}; put that right and "
                "start the same command again"
            )
        markers = run.shards_done(STAGE, context.fingerprint)
        parts = [run.read_table(markers[number]["part"]) for number in sorted(work)]
        run.write_table(pa.concat_tables(parts), "results.parquet")
        record.update(trainings=len(work), trainings_done_now=done.now)
