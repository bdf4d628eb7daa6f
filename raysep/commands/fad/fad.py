"""How far audio is from clean audio, stem by stem and as a set: what `raysep fad` calls.

OUT/
  run.json           what went in: corpus and reference by digest, embedder, measures, seed, versions
  corpus.parquet, reference.parquet   their manifests: which files, so that mended ones are known
  frames/            the embedded frames, by shards of tracks
  reference.fadref   the reference that was scored against; may be given as --reference again
  scores/, sets/, reference/   parts, and their markers in done/: the same command goes on where a killed one ended
  fad.csv            a row for each stem of the corpus; fad.parquet the same
  fad.json           a row for each label, with the definition of every number
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from raysep import lease
from raysep.commands.fad import embedding, scoring, tables
from raysep.commands.fad.embedding import Embedding, Located, StemEmbedder
from raysep.commands.fad.inputs import Comparison, accept_mended_files, read_comparison
from raysep.commands.fad.scoring import LabelSet, ReferenceBuilder, SetMeasurer, StemScorer
from raysep.corpus import manifest, outputs, storage
from raysep.corpus.hashing import fingerprint, stable_hash
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput, FinishedWithFailures, RaysepError
from raysep.outcome import Outcome
from raysep.probes.embedders import registry
from raysep.probes.embedders.base import Embedder
from raysep.probes.fad.measures import MEASURES
from raysep.probes.fad.reference_file import MadeWith, ReferenceFile
from raysep.resources import Resources
from raysep.rundir import Run
from raysep.screen import Progress
from raysep.stages.passes import Pass, finished

DEFAULT_MEASURES = ("fad", "fad-window", "mahalanobis")  # the null of each further one takes as long again
MOST_SHARDS = 512
INPUTS = ("corpus", "reference", "digests", "embedder")  # of run.json, repeated in fad.json


@dataclass(frozen=True)
class FadRequest:
    """What `raysep fad` was asked."""

    corpus: str
    reference: str
    out: str
    embedder: str | None = None  # None: that of a reference file, else the default
    weights: str = ""  # where the embedder has its weights from; "" = its own
    measures: tuple[str, ...] | None = None  # names of ``MEASURES``; None: those of a reference file, else the default
    split: str | None = None  # of a corpus with split folders; None: train
    labels: tuple[str, ...] | None = None  # None: those of the layout, or of the manifest
    seed: int = 0
    threads: int = 1
    workers: int | str | None = None
    address: str | None = None
    quiet: bool = False
    layout: str | None = None  # of ``corpus.layouts``, for both; None: whichever matches


def fad(request: FadRequest) -> Run:
    """Embed, build the reference, score, write the tables and print them. Returns the finished folder.

    Raises ``BadInput`` when the request cannot be met, ``RunConflict`` when ``out`` holds another one,
    ``FinishedWithFailures`` when all is done but stems failed (rows with outcome ``failed``; the same command tries these
    again, as they are or mended), ``RaysepError`` when all did.
    """
    outputs.try_folder(request.out)
    lease.refuse_held(Run(request.out))
    say = Progress(request.quiet).say
    compared = read_comparison(request.corpus, request.reference, request.labels, request.split, request.layout, say)
    chosen, embedder = choose_embedder(request, compared)
    # The name that was asked for, which for a class of the user's own is not the one it bears.
    about = replace(MadeWith.of(embedder, choose_measures(request, compared), request.seed), embedder=chosen.name)
    settings = {
        "embedder": {
            "name": about.embedder,
            "weights_digest": about.weights_digest,
            "sample_rate": about.sample_rate,
            "dimension": about.dimension,
        },
        "measures": list(about.measures),
        "seed": request.seed,
    }
    run = Run(request.out)
    with lease.held(run):
        compared = accept_mended_files(run, compared, lambda these: fingerprint(these.digests, *settings.values()))
        places = {"corpus": storage.absolute(request.corpus), "reference": storage.absolute(request.reference)}
        record = {**places, "digests": compared.digests, **settings}
        if run.open(fingerprint(compared.digests, *settings.values()), record):
            run.update({**places, "digests": compared.digests})  # the same content may lie elsewhere now, or be mended
        compared.write(run)
        job = _Job(request, run, fingerprint(*settings.values()), compared, about)
        if not job.is_done():
            job.work(chosen, embedder.least_spread)
        elif not job.is_written():
            job.write(lost={})
        rows, result = run.read_table(tables.TABLE).to_pylist(), run.read_json(tables.RECORD)
    tables.show(rows, result, run.root)
    _report_failures(run, rows)
    return run


def choose_embedder(request: FadRequest, compared: Comparison) -> tuple[Embedding, Embedder]:
    """The one that was asked for, at the reference's rate: ``BadInput`` when a reference file is another one's."""
    there = compared.file.about if compared.file else None
    name = request.embedder or (there.embedder if there else registry.DEFAULT)
    if not request.embedder and ":" not in name and name not in registry.EMBEDDERS:
        raise BadInput(
            f"--reference {request.reference}: made with an embedder of somebody's own that calls itself {name!r}; say "
            "where it is with --embedder package.module:Class"
        )
    local = storage.absolute(request.weights) if request.weights else ""
    weights = local if local and storage.exists(local) else request.weights  # workers have another working directory
    chosen = Embedding(name, there.sample_rate if there else compared.sample_rate, weights)
    embedder = chosen.build()
    if compared.file:
        # An own class goes by the path that it was asked for, not by the name that it bears.
        about = compared.file.about
        asked = about.embedder if about.embedder != name else embedder.name
        replace(compared.file, about=replace(about, embedder=asked)).check(embedder, request.reference)
    return replace(chosen, weights_digest=embedder.weights_digest), embedder


def choose_measures(request: FadRequest, compared: Comparison) -> tuple[str, ...]:
    """Raises ``BadInput`` for an unknown measure, or one that a reference file has no null of."""
    there = compared.file.about.measures if compared.file else tuple(MEASURES)
    wanted = request.measures or (there if compared.file else DEFAULT_MEASURES)
    if unknown := [name for name in wanted if name not in MEASURES]:
        raise BadInput(f"--measures {', '.join(unknown)}: give some of {', '.join(MEASURES)}")
    if lacking := [name for name in wanted if name not in there]:
        raise BadInput(
            f"--measures {', '.join(lacking)}: {request.reference} knows only {', '.join(there)}; leave them out, or give "
            "the clean tracks themselves"
        )
    return tuple(dict.fromkeys(wanted))


@dataclass(frozen=True)
class _Job:
    """One request on its way through the stages."""

    request: FadRequest
    run: Run
    settings: str  # fingerprint of all but the files
    compared: Comparison
    about: MadeWith

    @cached_property
    def pieces(self) -> dict[str, dict[int, list[Located]]]:
        """Stage → shard → the files that its part is made of, in their order."""
        corpus, reference = self._located(self.compared.corpus), self._located(self.compared.reference)
        every_file = {each.name: each for each in [*corpus, *reference]}
        return {
            embedding.STAGE: _grouped(every_file.values()),
            scoring.REFERENCE: _grouped(reference, self.compared.reference_labels),
            scoring.SCORE: _grouped(corpus),
            scoring.SETS: _grouped(corpus, self.compared.labels),
        }

    def _located(self, stems: Iterable[Stem]) -> list[Located]:
        """In order. A track keeps its shard when others are gone, and the workers' number plays no part."""
        names, files = self.compared.names, self.compared.files
        named = [(stem, names[stem.uri]) for stem in sorted(stems)]
        return [Located(stem, name, stable_hash(files[name].track) % MOST_SHARDS) for stem, name in named]

    @cached_property
    def fingerprints(self) -> dict[str, dict[int, str]]:
        """Stage → shard → of all that its part is made of: the settings and the content of the files, not their address."""

        def of(piece: Sequence[Located], reference: str) -> str:
            return fingerprint(self.settings, reference, [(each.name, manifest.digest([each.stem])) for each in piece])

        digest = self.compared.digests["reference"]
        return {
            stage: {shard: of(piece, "" if stage == embedding.STAGE else digest) for shard, piece in pieces.items()}
            for stage, pieces in self.pieces.items()
        }

    def done(self, stage: str) -> set[int]:
        """Shards that need not be done again: of the same files, none of which failed. What it failed of may have passed."""
        return set(finished(self.run, stage, self.fingerprints[stage], again=True))

    def is_done(self) -> bool:
        stages = (embedding.STAGE, scoring.SCORE, scoring.SETS)
        return self.run.has(scoring.REFERENCE_FILE) and all(self.pieces[s].keys() <= self.done(s) for s in stages)

    def is_written(self) -> bool:
        """Whether the tables are there, and of the files where they are now."""
        if not (self.run.has(tables.TABLE) and self.run.has(tables.RECORD)):
            return False
        now, told = self.run.read_json("run.json"), self.run.read_json(tables.RECORD)
        return all(now[name] == told[name] for name in INPUTS)

    def work(self, chosen: Embedding, least_spread: float) -> None:
        from raysep.cluster import session, shards

        root = self.run.root
        with session.session(self.request.address) as available, shards.kept_workers():
            for uri in (root, self.compared.corpus[0].uri, *(s.uri for s in self.compared.reference[:1])):
                session.check_reachable(uri, available)
            embed = StemEmbedder(
                root=root,
                fingerprint=self.fingerprints[embedding.STAGE],
                threads=self.request.threads,
                embedding=chosen,
            )
            lost = self._pass(available, embedding.STAGE, embed, self.pieces[embedding.STAGE], gpu=True)
            self._make_reference(available, lost, least_spread)
            score = StemScorer(root=root, fingerprint=self.fingerprints[scoring.SCORE], measures=self.about.measures)
            to_score = {shard: piece for shard, piece in self.pieces[scoring.SCORE].items() if shard not in lost}
            lost |= self._pass(available, scoring.SCORE, score, to_score)
            self._measure_sets(available, lost)
            self.write(lost)

    def _pass(
        self, available: Resources, stage: str, worker: Any, work: dict[int, Any], gpu: bool = False
    ) -> dict[int, str]:
        """Do what is missing; the shards that were lost for good, with the reason."""
        progress = Progress(self.request.quiet)
        todo = Pass(self.run, stage, self.fingerprints[stage], available, progress, self.request.workers, again=True)
        with self.run.stage(stage) as record, progress.bar(stage) as advance:
            done = todo.run(worker, work, advance, gpu=gpu)
            record.update(shards=len(work), done_now=done.now, lost=len(done.lost))
        return done.lost

    def _make_reference(self, available: Resources, lost: dict[int, str], least_spread: float) -> None:
        """Leaves ``reference.fadref``."""
        if self.compared.file:
            self.run.write_bytes(self.compared.file_bytes, scoring.REFERENCE_FILE)
            return
        work = self.pieces[scoring.REFERENCE]
        scoring.check_reference(self.run, work.values(), lost)
        builder = ReferenceBuilder(
            root=self.run.root,
            fingerprint=self.fingerprints[scoring.REFERENCE],
            about=self.about,
            least_spread=least_spread,
        )
        if failed := self._pass(available, scoring.REFERENCE, builder, work):
            raise RaysepError(f"{self.run.root}: making the reference failed ({next(iter(failed.values()))})")
        parts = [scoring.reference_part(number) for number in work]
        files = [ReferenceFile.from_bytes(self.run.read_bytes(part), self.run.path(part)) for part in parts]
        self.run.write_bytes(ReferenceFile.joined(files).to_bytes(), scoring.REFERENCE_FILE)

    def _measure_sets(self, available: Resources, lost: dict[int, str]) -> None:
        work = {}
        for number, piece in self.pieces[scoring.SETS].items():
            kept = [located for located in piece if located.shard not in lost]
            work[number] = LabelSet(self.compared.labels[number], kept, len(piece) - len(kept))
        measurer = SetMeasurer(root=self.run.root, fingerprint=self.fingerprints[scoring.SETS], seed=self.request.seed)
        if failed := self._pass(available, scoring.SETS, measurer, work):
            raise RaysepError(f"{self.run.root}: measuring the whole set failed ({next(iter(failed.values()))})")

    def write(self, lost: dict[int, str]) -> None:
        """Leaves the tables; ``lost`` are shards without a part, with the reason."""
        rows = []
        for shard, piece in self.pieces[scoring.SCORE].items():
            if shard in lost:
                rows += [scoring.failed_row(located.stem, lost[shard]) for located in piece]
            else:
                rows += self.run.read_table(scoring.score_part(shard)).to_pylist()
        uris = {(stem.track, stem.stem): stem.uri for stem in self.compared.corpus}
        if sorted((row["track"], row["stem"]) for row in rows) != sorted(uris):
            raise RaysepError(f"{self.run.root}: {len(uris)} stems went in, {len(rows)} came out; report this")
        # Where the files are now: a part may have been made while they were elsewhere.
        rows = [row | {"uri": uris[row["track"], row["stem"]]} for row in rows]
        sets = [self.run.read_json(scoring.set_part(number)) for number in self.pieces[scoring.SETS]]
        record, reference = self.run.read_json("run.json"), scoring.load_reference(self.run)
        inputs = {name: record[name] for name in (*INPUTS, "versions")}
        tables.write(self.run, rows, sets, inputs, reference, self.about)


def _grouped(located: Iterable[Located], labels: Sequence[str] = ()) -> dict[int, list[Located]]:
    """By shard, or by the number of their label."""
    numbers = {label: number for number, label in enumerate(labels)}
    found: dict[int, list[Located]] = {}
    for each in located:
        found.setdefault(numbers.get(each.stem.stem, each.shard), []).append(each)
    return dict(sorted(found.items()))


def _report_failures(run: Run, rows: Sequence[dict[str, Any]]) -> None:
    failed = [row for row in rows if row["outcome"] == Outcome.FAILED]
    if failed and len(failed) == len(rows):
        raise RaysepError(
            f"{run.root}: no stem could be scored ({failed[0]['message']}); put that right and start again"
        )
    if failed:
        raise FinishedWithFailures(
            f"{run.root}: finished, but {len(failed)} stems failed, first {failed[0]['track']}/{failed[0]['stem']} "
            f"({failed[0]['message']}); they are the rows of fad.csv with outcome 'failed'; the same command tries them again, as "
            "they are or mended"
        )
