"""The method on one page: from stems to a decision, and from a decision to a proof.

    manifest ─ plant ─ train ─ attribute ─ score ─ decide ─ (search) ─ prove ─ report

Each stage leaves its files and a marker in the run's folder, so the same call continues a killed run. Truth
labels are a ``Benchmark``: nothing before ``prove`` is handed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from raysep import config as settings
from raysep import driving, failures, joining, lease, own_verdicts
from raysep.config import Config
from raysep.corpus import hashing, labels, manifest, outputs, storage
from raysep.errors import BadInput
from raysep.request import Benchmark as Benchmark
from raysep.request import Request as Request
from raysep.rundir import Run

if TYPE_CHECKING:
    from raysep.corpus.inputs import Inputs
    from raysep.corpus.manifest import Stem
    from raysep.resources import Resources
    from raysep.screen import Progress
    from raysep.stages.context import Context
    from raysep.stages.plant import Planting

DECIDE = "decide"


def clean(request: Request, benchmark: Benchmark | None = None) -> Run:
    """Find the wrong stems, decide what to keep, retrain, and prove it. Returns the finished run.

    With ``until`` it ends at the decision; the same request without it goes on from there.

    Raises ``BadInput`` before any work when the inputs cannot give a right answer, ``RunConflict`` when the output
    folder belongs to another configuration, ``FinishedWithFailures`` when all is done but some stems failed.
    """
    from raysep.decision import handling
    from raysep.stages import arms, decide, prove, report, search

    def check(found: Inputs, config: Config) -> None:
        arms.check_arms(config, bool(found.test), benchmark)
        decide.check_probe(config.decision, config.scoring.probes)
        handling.refuse_beforehand(config.decision.handling)

    with _opened(request, check) as (context, found):
        planting = _score(context, found)
        decide.decide(context, found, planting)
        if request.after:
            context.progress.say(joining.join(context.run, request.after))
        if request.until != DECIDE:
            if request.search:
                search.search(context, found, planting)
            prove.prove(context, found, benchmark)
    failures.add(context.run)
    if request.until == DECIDE:
        report.decided(context)
        return context.run
    report.report(context, benchmark)
    report.finish(context)
    return context.run


def is_finished(request: Request) -> bool:
    """Whether the output folder holds the finished run of just this request; the inputs are looked at again."""
    run = Run(request.out)
    record = run.read_json("run.json") if run.has("run.json") else {}
    if not record.get("finished"):
        return False
    found, config = prepare(replace(request, quiet=True))
    return hashing.fingerprint(
        config, found.digest(), *own_verdicts.parts(request.verdicts, request.refit, config.labels)
    ) in (record["fingerprint"], *record.get("accepts", []))


def score(request: Request) -> Run:
    """The same as far as the scores, by segment and by stem: nothing is decided, and nothing retrained to prove it.

    ``clean`` goes on from here when it is asked for the same. Raises as ``clean`` does.
    """
    from raysep.stages import decide

    with _opened(request) as (context, found):
        planting = _score(context, found)
        decide.per_stem(context.run, found.corpus, planting)
    failures.refuse(context.run)
    return context.run


def prove(
    root: str,
    arms: Sequence[str] = (),
    seeds: int = 0,
    *,
    workers: int | str | None = None,
    address: str | None = None,
    quiet: bool = False,
) -> Run:
    """Train and judge further arms and seeds of a run that is decided, whether it was proven before or not.

    Without ``arms`` those of its settings; ``seeds`` is how many each arm has in the end, at least (0: as its settings say).
    Raises ``BadInput`` for a run that is not decided yet, and for arms that it cannot have.
    """
    from raysep.cluster import session
    from raysep.rundir import existing
    from raysep.screen import Progress
    from raysep.stages import prove, report

    run = existing(root, "decision.parquet", "stems.parquet")
    record, benchmark = run.read_json("run.json"), None
    if truth := record.get("truth"):
        benchmark = Benchmark(truth, record.get("clean_corpus"), record.get("condition"))
    progress = Progress(quiet)
    with driving.driven(run, progress), session.session(address) as available:
        context, found = reopened(run, available, progress, workers)
        proof = context.config.proof
        count = prove.prove_further(context, found, benchmark, arms or proof.arms, seeds or len(proof.seeds))
    failures.add(run)
    context.progress.say(f"{count} trainings added" if count else "nothing to add: every arm has every seed")
    report.report(context, benchmark)
    report.finish(context)
    return run


def reopened(
    run: Run, available: Resources, progress: Progress, workers: int | str | None = None
) -> tuple[Context, Inputs]:
    """A run that is there, by its own record, to go on from: its context and what it works on.

    Raises ``BadInput`` when its folder or its corpus cannot be reached from the cluster.
    """
    from raysep.cluster.session import check_reachable
    from raysep.corpus.moved import MOVED, refuse_gone
    from raysep.stages.context import Context
    from raysep.stages.inputs import inputs_in

    driving.begun(run)
    found, record = inputs_in(run), run.read_json("run.json")
    for part in (found.corpus, found.test or found.reference):
        refuse_gone(part, run.root, MOVED)
    for uri in (run.root, found.corpus[0].uri):
        check_reachable(uri, available)
    config = settings.from_dict(record["config"])
    rate = config.sample_rate or found.sample_rate
    context = Context(run, config, available, progress, record["fingerprint"], workers, False, rate, found.channels)
    return context, found


def _score(context: Context, found: Inputs) -> Planting:
    """The scores of the last round, and before it every earlier one with its decision."""
    from raysep.stages import plant, rounds

    before = None
    for number in range(1, context.config.rounds):
        before = rounds.play(context, found, number, before, _judge)
    planting = plant.plant(context, found)
    _judge(context, found, planting, before)
    return planting


def _judge(context: Context, found: Inputs, planting: Planting, before: Run | None) -> None:
    from raysep.cluster import shards
    from raysep.stages import attribute, rounds, score, train

    train.train_probes(context, found, planting, rounds.kept(context, found, planting, before) if before else None)
    with shards.kept_workers():
        attribute.attribute(context, found, planting)
        score.score(context, found, planting)


@contextmanager
def _opened(
    request: Request, check: Callable[[Inputs, Config], None] = lambda found, config: None
) -> Iterator[tuple[Context, Inputs]]:
    """The run and its inputs, on a cluster; what is wrong with them, ``check`` says too, shows before anything is computed."""
    from raysep.cluster import session
    from raysep.memory import PeakMemory
    from raysep.screen import Progress
    from raysep.stages import check as checks
    from raysep.stages import inputs, kit, train

    _try_out(request)
    with PeakMemory() as memory:
        found, config = prepare(request)
        train.check_validation(config, has_tracks=False)
        check(found, config)
        kit.check_embedder(config.scoring, config.sample_rate or found.sample_rate)
        said = own_verdicts.parts(request.verdicts, request.refit, config.labels)
        inputs.announce(Progress(request.quiet), found, config)
        with driving.driven(Run(request.out), Progress(request.quiet)), session.session(request.address) as available:
            context = begin(request, found, config, available, *said)
            if said:
                own_verdicts.keep(context.run, request.verdicts, *said)
                context = replace(context, said=tuple(said[0]), refit=request.refit)
            checks.look_for_twins(context, found, request.on_leak)
            yield context, found
        context.run.update({"peak_memory_gib": round(memory.peak_bytes / 2**30, 2)})


def train(request: Request, decision: str | None = None, handling: str | None = None) -> Run:
    """Train one separator on a corpus or manifest; evaluate it when there are test tracks.

    ``decision`` is the URI of a decision table, ``handling`` the one that acts on it (``table`` unless given). Raises
    ``FinishedWithFailures`` when all is done, but without stems that could not be read.
    """
    from raysep.cluster import session
    from raysep.decision import handling as handlings
    from raysep.decision.handling import restore
    from raysep.screen import Progress
    from raysep.stages import arms, check, prove, report
    from raysep.stages import train as training

    if handling and not decision:
        raise BadInput(f"--handling {handling}: acts on a decision: give --decision too")
    _try_out(request)
    found, config = prepare(request)
    training.check_validation(config, bool(found.validation))
    entries = training.entries_by(found.corpus, decision, handling or "table", Progress(request.quiet).say)
    if decision and not any(entry.weight for entry in entries):
        raise BadInput(f"--decision {decision}: keeps none of the {len(found.corpus)} stems of {request.corpus}")
    if strange := [entry for entry in entries if entry.label not in config.labels]:
        raise BadInput(
            f"--decision {decision}: {strange[0].stem.stem_id} is to be used as {strange[0].label!r}, and the labels are "
            f"{', '.join(config.labels)}; correct its label, or add it with --set labels=[…]"
        )
    none = "no stem is used under another label: the decision names no other" if handling == "relabel" else ""
    others = handlings.unlike(entries, found.corpus)
    restore.refuse_gone(others, f"--decision {decision}")
    for words in (
        settings.unused_seed(config),
        handlings.relabelled(entries) or none,
        handlings.cut(entries),
        handlings.in_place_of(others),
    ):
        if words:
            Progress(request.quiet).say(words)
    with driving.driven(Run(request.out), Progress(request.quiet)), session.session(request.address) as available:
        more: list[Any] = [(e.stem.stem_id, e.label, e.weight, e.spans) for e in entries] if decision else []
        more += [entry.stem.etag for entry in others]
        context = begin(request, found, config, available, *more)
        if found.test or found.validation:
            check.look_for_twins(context, found, request.on_leak)
        prove.train_and_evaluate(context, [arms.Arm("separator", entries)], found.test)
    if found.test:
        report.trained(context.run)
    used = {entry.stem.stem_id: entry.stem for entry in entries if entry.weight > 0}
    broken = [failures.row_of(stem, failures.NO_AUDIO.format(stem.uri)) for stem in used.values() if not stem.frames]
    failures.write(context.run, broken)
    failures.refuse(context.run, "put them right and train into another --out")
    return context.run


def _try_out(request: Request) -> None:
    """Refuse an output folder that cannot be written, holds something else, or is one of the inputs; before any work."""
    run = Run(outputs.try_folder(request.out))
    for name in ("corpus", "reference", "test", "validation"):
        if (uri := getattr(request, name)) and outputs.below(run.root, place := storage.absolute(uri)):
            told = (
                f"is the {name} itself" if run.root == place else f"lies in the {name}, which would hold its tracks too"
            )
            raise BadInput(f"--out {request.out}: {told}; choose another folder")
    run.refuse_taken()
    lease.refuse_held(run)


def prepare(request: Request) -> tuple[Inputs, Config]:
    """Scan the inputs and settle the configuration."""
    from raysep.cluster import session
    from raysep.corpus.inputs import read_inputs
    from raysep.screen import Progress
    from raysep.stages.inputs import known_in
    from raysep.training.network import check_network, network_arguments

    wanted = labels.parse(request.labels) if request.labels else None
    overrides = settings.merge(request.overrides or {}, {"labels": list(wanted.names)} if wanted else {})
    # Checks every setting before the first file is looked at.
    first = settings.preset("full" if request.preset == "auto" else request.preset, overrides)
    check_network(first)
    processes = first.training.least_workers or first.training.workers
    session.refuse_unfit(request.address, first.resources, processes, request.workers)
    others = (request.reference, request.test, request.validation)
    reference, test, validation = (storage.absolute(uri) if uri else None for uri in others)
    corpus, say = storage.absolute(request.corpus), Progress(request.quiet).say
    sums, known = wanted.sums if wanted else None, known_in(Run(request.out))
    only: Callable[[list[Stem]], list[Stem]] = list
    if request.after:
        earlier = joining.chain(request.after)
        known = [*known, *(stem for run in earlier for stem in known_in(run))]
        only = partial(joining.only_new, before=joining.judged(earlier), after=request.after, say=say)
    found = read_inputs(
        corpus,
        reference,
        test,
        first.labels,
        validation,
        request.layout,
        say,
        sums,
        known,
        request.on_leak,
        request.limit,
        only,
    )
    name = settings.preset_for(found.stem_seconds) if request.preset == "auto" else request.preset
    config = settings.preset(name, overrides)
    network_arguments(config, config.sample_rate or found.sample_rate, found.channels)
    return found, config


def begin(request: Request, found: Inputs, config: Config, available: Resources, *more: Any) -> Context:
    """Open or continue the run's folder; write what went in. ``more`` is what else the result depends on."""
    from raysep.cluster.session import check_reachable
    from raysep.corpus.inputs import mixed_down
    from raysep.screen import Progress
    from raysep.stages.context import Context
    from raysep.stages.inputs import manifests_of, refuse_changed

    fingerprint = hashing.fingerprint(config, found.digest(), *more)
    run = Run(request.out)
    storage.filesystem(run.root)  # where Ray is to keep states: what it cannot use shows now
    if request.retry_failed:
        _accept_mended_files(run, found, lambda inputs: hashing.fingerprint(config, inputs.digest(), *more))
    grown = ""
    if run.has("run.json") and not run.is_of(fingerprint):
        own_verdicts.refuse_others(run, request.verdicts, settings.to_dict(config), found.digest())
        refuse_changed(run, manifests_of(found))
        grown = joining.way_out(run, found.corpus)
    for uri in (run.root, *(part[0].uri for part in vars(found).values() if part)):
        check_reachable(uri, available)
    run.open(
        fingerprint,
        {
            "corpus": request.corpus,
            "reference": request.reference,
            "search": request.search,
            "test": request.test,
            **({"validation": request.validation} if found.validation else {}),
            "config": settings.to_dict(config),
            "digests": found.digest(),
            "stems": {name: len(part) for name, part in vars(found).items() if part or name != "validation"},
            "cluster": {"cpus": available.cpus, "gpus": available.gpus, "nodes": available.nodes},
        },
        grown,
    )
    driving.begun(run)
    run.update({"stages": {name: {"seconds": seconds} for name, seconds in (request.before or {}).items()}})
    kept = manifests_of(found)
    for name, stems in kept.items():
        manifest.write(run.path(name), stems)
    if told := mixed_down(stem for stems in kept.values() for stem in stems):
        Progress(request.quiet).say(told)
    return Context(
        run=run,
        config=config,
        available=available,
        progress=Progress(request.quiet),
        fingerprint=run.read_json("run.json")["fingerprint"],
        workers=request.workers,
        retry_failed=request.retry_failed,
        sample_rate=config.sample_rate or found.sample_rate,
        channels=found.channels,
        validation=tuple(found.validation),
    )


def _accept_mended_files(run: Run, found: Inputs, fingerprint_of: Callable[[Inputs], str]) -> None:
    """A run may go on when nothing but the files that failed in it has changed since."""
    if not (run.has("run.json") and run.has("failed.parquet")):
        return
    before = {s.stem_id: s for s in manifest.read(run.path("manifest.parquet"))}
    failed = set(run.read_table("failed.parquet")["stem_id"].to_pylist())
    as_it_was = replace(found, corpus=[before.get(s.stem_id, s) if s.stem_id in failed else s for s in found.corpus])
    record, now = run.read_json("run.json"), fingerprint_of(found)
    known = (record["fingerprint"], *record.get("accepts", []))
    if now not in known and fingerprint_of(as_it_was) in known:
        run.accept(now)
