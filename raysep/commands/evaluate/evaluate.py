"""How good separators are on tracks with known stems, and which of two is better: what `raysep evaluate` calls.

OUT/
  run.json             what went in: models and corpus by digest, options, versions
  corpus.parquet       its manifest: which files
  evaluation/          rows by shards of tracks
  done/evaluate/       their markers: the same command goes on where a killed one ended
  evaluation.parquet   a row for each model, seed, track and stem
  frames.parquet       likewise for each frame (only when asked for)
  evaluation.json      figures and comparisons, with the definition of every number
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from raysep import lease
from raysep.commands.app import print_json
from raysep.commands.evaluate import tables
from raysep.commands.evaluate.models import MIXTURE, Candidate, baseline, find
from raysep.commands.evaluate.worker import STAGE, Measuring, TrackEvaluator, failed_rows, part
from raysep.corpus import manifest, outputs, storage
from raysep.corpus.hashing import fingerprint
from raysep.corpus.inputs import mixed_down
from raysep.corpus.labels import parse
from raysep.corpus.layouts import LABELS, stems_of
from raysep.corpus.manifest import Stem
from raysep.corpus.pools import mixes_of, pool_note
from raysep.errors import BadInput, FinishedWithFailures, RaysepError
from raysep.evaluation import measures as numbers
from raysep.outcome import Outcome
from raysep.report import evaluated
from raysep.rundir import Run
from raysep.screen import Progress
from raysep.stages.inputs import refuse_changed
from raysep.stages.passes import Pass, finished

MOST_SHARDS = 256
CORPUS = "corpus.parquet"


@dataclass(frozen=True)
class EvaluationRequest:
    """What `raysep evaluate` was asked."""

    models: tuple[str, ...]  # checkpoints and run folders
    corpus: str
    out: str
    measures: tuple[str, ...] = numbers.DEFAULT  # names of ``raysep.evaluation.measures.MEASURES``
    bss_eval: bool = False  # ISR, SIR and SAR too
    backend: str = "own"
    against: str | None = None  # a checkpoint, a run folder, or a name of the table: all others are compared with it
    baseline: bool = False  # the mixture as every stem, as one more model
    frames: bool = False  # write frames.parquet
    split: str | None = None  # of a corpus with split folders; None: test
    labels: tuple[str, ...] | None = None  # of the corpus; None: those of the layout, or of the manifest
    separation: dict[str, Any] = field(default_factory=dict)  # options of ``inference.separate``
    draws: int = 2000
    threads: int = 1
    workers: int | str | None = None
    address: str | None = None
    quiet: bool = False  # no progress
    json: bool = False  # print evaluation.json instead
    layout: str | None = None  # of ``corpus.layouts``; None: whichever matches


def evaluate(request: EvaluationRequest) -> Run:
    """Separate every track by every model, measure, write the tables and print them. Returns the finished folder.

    Raises ``BadInput`` before any work when the request cannot be met, ``RunConflict`` when ``out`` holds another
    evaluation, ``FinishedWithFailures`` when all is done but tracks failed (rows with outcome ``failed``); the same
    command tries these again; ``RaysepError`` when all tracks did.
    """
    more = numbers.BSS_EVAL if request.bss_eval else ()
    options = Measuring(
        numbers.check((*request.measures, *more), request.backend), request.backend, request.frames, request.separation
    )
    _check_separation(request.separation)
    outputs.try_folder(request.out)
    lease.refuse_held(Run(request.out))
    models, against = choose(request)
    stems = read_corpus(request, models)
    about = {
        "models": [model.to_dict() for model in models],
        "corpus": storage.absolute(request.corpus),
        "digests": {"corpus": manifest.digest(stems)},
        "options": options.to_dict(),
    }
    same = fingerprint([(m.name, m.seed, m.digest) for m in models], about["digests"], about["options"])
    run = Run(request.out)
    with lease.held(run):
        if run.has("run.json") and not run.is_of(same):
            refuse_changed(run, {CORPUS: stems})
        run.open(same, about)
        manifest.write(run.path(CORPUS), stems)
        if told := mixed_down(stems):
            Progress(request.quiet).say(told)
        worker = TrackEvaluator(
            root=run.root,
            fingerprint=same,
            threads=request.threads,
            models=tuple(models),
            labels=manifest.labels_of(stems),
            options=options,
        )
        _measure(request, run, worker, stems)
        rows = run.read_table("evaluation.parquet").to_pylist()
        _refuse_nothing(run, rows)
        result = tables.standings(rows, options.measures, against, request.draws)
        versions = run.read_json("run.json")["versions"]
        run.write_json(_finite({**about, "versions": versions, **result}), "evaluation.json")
    if request.json:
        print_json(run.read_json("evaluation.json"))
    else:
        evaluated.show(result, run.root)
    _report_failures(run, rows)
    return run


def choose(request: EvaluationRequest) -> tuple[list[Candidate], str | None]:
    """The models, and the name of the one that all others are compared with.

    Raises ``BadInput`` when ``against`` means more than one model, or leaves nothing to compare it with.
    """
    found = find(request.models)
    against, named = request.against, {model.name for model in found}
    if against is not None and against not in named | ({MIXTURE} if request.baseline else set()):
        rivals = {model.uri for model in find([against])}
        found = find([*request.models, against])
        arms = list(dict.fromkeys(model.name for model in found if model.uri in rivals))
        if len(arms) > 1:
            raise BadInput(
                f"--against {against}: holds {', '.join(arms)}; give that run among the models and one of these names here"
            )
        against = arms[0]
    if {model.name for model in found} == {against}:
        raise BadInput(f"--against {request.against}: is all there is; give another model to compare with it")
    if request.baseline:
        found.append(baseline(list(dict.fromkeys(stem for model in found for stem in model.stems))))
    return found, against


def read_corpus(request: EvaluationRequest, models: list[Candidate]) -> list[Stem]:
    """Every stem of the corpus, also those that no model gives: the mixture is the sum of all.

    Raises ``BadInput`` when there is none, or when a model gives a stem that the corpus has not.
    """
    theirs = list(dict.fromkeys(stem for model in models for stem in model.stems))
    usual = LABELS if set(theirs) <= set(LABELS) else theirs
    uri, layout = storage.absolute(request.corpus), request.layout
    wanted = parse(request.labels) if request.labels else None
    names, sums = (wanted.names, wanted.sums) if wanted else (None, None)
    say = Progress(request.quiet).say
    which: dict[str, Any] = {"split": "test", "asked_split": request.split}
    stems = stems_of(uri, names, usual=usual, sums=sums, on_problem="keep", layout=layout, say=say, **which).stems
    if not stems:
        raise BadInput(f"{request.corpus}: holds no stems; give tracks with their stems, or a manifest of them")
    labels = names or manifest.labels_of(stems)
    if missing := [stem for stem in theirs if stem not in labels]:
        raise BadInput(
            f"{request.corpus}: has the stems {', '.join(labels)}, but the models give {', '.join(missing)} too; "
            "give a corpus that has them"
        )
    return stems


def _check_separation(options: dict[str, Any]) -> None:
    """Raise ``BadInput`` for a filter that does not exist: at once, not as the failure of every track."""
    from raysep.separators.base import FILTERS

    if options.get("filter", FILTERS[0]) not in FILTERS:
        raise BadInput(f"--filter {options['filter']}: give one of {', '.join(FILTERS)}")


def deal(tracks: list[str]) -> dict[int, list[str]]:
    """Shard number → its tracks: neighbours by name, at most ``MOST_SHARDS`` shards, whatever the workers' number."""
    size = -(-len(tracks) // MOST_SHARDS)
    return {number: tracks[start : start + size] for number, start in enumerate(range(0, len(tracks), max(1, size)))}


def _measure(request: EvaluationRequest, run: Run, worker: TrackEvaluator, stems: list[Stem]) -> None:
    """Every track by every model, a shard per group of tracks; leaves the tables."""
    from raysep.cluster import session

    tracks, options = mixes_of(stems), worker.options
    groups = deal(list(tracks))
    work = {number: {track: tracks[track] for track in group} for number, group in groups.items()}
    # A shard with a failed track is done again: whatever it failed of may have passed.
    if run.has("evaluation.parquet") and not work.keys() - finished(run, STAGE, worker.fingerprint, again=True).keys():
        return
    progress = Progress(request.quiet)
    if mixed := pool_note(stems):
        progress.say(f"note: {mixed}")
    with (
        session.session(request.address) as available,
        run.stage(STAGE) as record,
        progress.bar(STAGE) as advance,
    ):
        for uri in (run.root, stems[0].uri, *(model.uri for model in worker.models if model.uri)):
            session.check_reachable(uri, available)
        todo = Pass(run, STAGE, worker.fingerprint, available, progress, request.workers, again=True)
        lost = todo.run(worker, work, advance, gpu=True).lost
        found = [run.read_table(part(number)) for number in groups if number not in lost]
        for number, message in lost.items():
            found += [options.table(failed_rows(track, worker.models, message)) for track in groups[number]]
        run.write_table(_in_order(pa.concat_tables(found), worker), "evaluation.parquet")
        if options.frames:
            parts = [run.read_table(part(number, "frames")) for number in groups if number not in lost]
            run.write_table(pa.concat_tables([options.frame_schema.empty_table(), *parts]), "frames.parquet")
        record.update(tracks=len(tracks), shards=len(groups), lost=len(lost))


def _in_order(table: pa.Table, worker: TrackEvaluator) -> pa.Table:
    """Rows model by model, seeds and tracks in order, stems as the model gives them."""
    places = {(model.name, model.seed): number for number, model in enumerate(worker.models)}
    rows = table.to_pylist()
    rows.sort(key=lambda row: (places[row["model"], row["seed"]], row["track"]))
    return worker.options.table(rows)


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON has no form for."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _refuse_nothing(run: Run, rows: list[dict[str, Any]]) -> None:
    if all(row["outcome"] == Outcome.FAILED for row in rows):
        raise RaysepError(
            f"{run.root}: no track could be evaluated ({rows[0]['track']}: {rows[0]['message']}); put that right and start "
            "the same command again"
        )


def _report_failures(run: Run, rows: list[dict[str, Any]]) -> None:
    failed = {row["track"]: row["message"] for row in rows if row["outcome"] == Outcome.FAILED}
    if failed:
        track, message = next(iter(failed.items()))
        raise FinishedWithFailures(
            f"{run.root}: finished, but {len(failed)} tracks failed, first {track} ({message}); they are the rows of "
            "evaluation.parquet with outcome 'failed'; the same command tries them again"
        )
