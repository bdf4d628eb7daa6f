"""How far audio is from clean audio, stem by stem and as a set: what `raysep fad` calls.

OUT/
  run.json           what went in: corpus and reference by digest, embedder, measures, seed, versions
  frames/            the embedded frames, by shards of tracks
  reference.fadref   the reference that was scored against; may be given as --reference again
  scores/, sets/, reference/   parts, and their markers in done/: the same command goes on where a killed one ended
  fad.csv            a row for each stem of the corpus; fad.parquet the same
  fad.json           a row for each label, with the definition of every number
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from raysep.cluster.session import Resources
from raysep.config import fingerprint
from raysep.corpus import manifest, storage
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput, FinishedWithFailures, RaysepError
from raysep.probes.embedders import registry
from raysep.probes.embedders.base import Embedder
from raysep.probes.fad.measures import MEASURES
from raysep.probes.fad.null import FEWEST_TRACKS
from raysep.probes.fad.reference_file import About, ReferenceFile
from raysep.rundir import Run
from raysep.stages import comparing, distance_tables, framing
from raysep.stages.comparing import Located, ReferenceBuilder, SetMeasurer, StemScorer
from raysep.stages.context import Progress
from raysep.stages.evaluate import deal
from raysep.stages.framing import FAILED, Embedding, StemEmbedder
from raysep.stages.heard import Heard, hear

DEFAULT_MEASURES = ("fad", "fad-window", "mahalanobis")  # the null of each further one takes as long again


@dataclass(frozen=True)
class Request:
    """What `raysep fad` was asked."""

    corpus: str
    reference: str
    out: str
    embedder: str | None = None  # None: that of a reference file, else the default
    weights: str = ""  # where the embedder has its weights from; "" = its own
    measures: tuple[str, ...] | None = None  # names of ``MEASURES``; None: those of a reference file, else the default
    split: str = "train"  # of a corpus with split folders
    labels: tuple[str, ...] | None = None  # None: those of the layout, or of the manifest
    seed: int = 0
    threads: int = 1
    workers: int | None = None
    address: str | None = None
    quiet: bool = False


def fad(request: Request) -> Run:
    """Embed, build the reference, score, write the tables and print them. Returns the finished folder.

    Raises ``BadInput`` when the request cannot be met, ``RunConflict`` when ``out`` holds another one,
    ``FinishedWithFailures`` when all is done but stems failed (rows with outcome ``failed``; the same command tries these
    again), ``RaysepError`` when all did.
    """
    heard = hear(request.corpus, request.reference, request.labels, request.split)
    embedding, embedder = choose_embedder(request, heard)
    about = About.of(embedder, choose_measures(request, heard), request.seed)
    record = {
        "corpus": storage.absolute(request.corpus),
        "reference": storage.absolute(request.reference),
        "digests": {"corpus": manifest.digest(heard.corpus), "reference": heard.digest},
        "embedder": {
            "name": about.embedder,
            "weights_digest": about.weights_digest,
            "sample_rate": about.sample_rate,
            "dimension": about.dimension,
        },
        "measures": list(about.measures),
        "seed": request.seed,
    }
    same = fingerprint(record["digests"], record["embedder"], record["measures"], request.seed)
    run = Run(request.out)
    run.open(same, record)
    job = _Job(request, run, same, heard, about)
    if not job.is_finished():
        job.work(embedding, embedder.least_spread)
    rows, result = run.read_table(distance_tables.TABLE).to_pylist(), run.read_json(distance_tables.RECORD)
    if not request.quiet:
        distance_tables.show(rows, result, run.root)
    _report_failures(run, rows)
    return run


def choose_embedder(request: Request, heard: Heard) -> tuple[Embedding, Embedder]:
    """The one that was asked for, at the reference's rate: ``BadInput`` when a reference file is another one's."""
    there = heard.file.about if heard.file else None
    name = request.embedder or (there.embedder if there else registry.DEFAULT)
    local = storage.absolute(request.weights) if request.weights else ""
    weights = local if local and storage.exists(local) else request.weights  # workers have another working directory
    embedding = Embedding(name, there.sample_rate if there else heard.sample_rate, weights)
    embedder = embedding.build()
    if heard.file:
        heard.file.check(embedder, request.reference)
    return embedding, embedder


def choose_measures(request: Request, heard: Heard) -> tuple[str, ...]:
    """Raises ``BadInput`` for an unknown measure, or one that a reference file has no null of."""
    there = heard.file.about.measures if heard.file else tuple(MEASURES)
    wanted = request.measures or (there if heard.file else DEFAULT_MEASURES)
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

    request: Request
    run: Run
    same: str  # fingerprint
    heard: Heard
    about: About

    @cached_property
    def shards(self) -> dict[int, list[Stem]]:
        """Every file once, neighbours by track together, whatever the workers' number."""
        by_track: dict[str, list[Stem]] = {}
        for stem in sorted({stem.uri: stem for stem in [*self.heard.reference, *self.heard.corpus]}.values()):
            by_track.setdefault(stem.track, []).append(stem)
        return {
            number: [stem for track in group for stem in by_track[track]]
            for number, group in deal(list(by_track)).items()
        }

    def done(self, stage: str) -> set[int]:
        """Shards that need not be done again: whatever a stem failed of may have passed."""
        return {n for n, marker in self.run.shards_done(stage, self.same).items() if not marker["counts"]["failed"]}

    def is_finished(self) -> bool:
        wanted = {
            framing.STAGE: set(self.shards),
            comparing.SCORE: set(self._corpus_by_shard()),
            comparing.SETS: set(range(len(self.heard.labels))),
        }
        return self.run.has(distance_tables.RECORD) and all(numbers <= self.done(s) for s, numbers in wanted.items())

    def work(self, embedding: Embedding, least_spread: float) -> None:
        from raysep.cluster import session

        root = self.run.root
        with session.session(self.request.address) as available:
            for uri in (root, self.heard.corpus[0].uri, *(s.uri for s in self.heard.reference[:1])):
                session.check_reachable(uri, available)
            worker = StemEmbedder(root, self.same, embedding, self.request.threads)
            files = {number: [asdict(stem) for stem in stems] for number, stems in self.shards.items()}
            lost = self._pass(available, framing.STAGE, worker, files, gpu=True)
            self._make_reference(available, lost, least_spread)
            scorer = StemScorer(root, self.same, self.about.measures)
            to_score = {n: [asdict(s) for s in stems] for n, stems in self._corpus_by_shard().items() if n not in lost}
            lost |= self._pass(available, comparing.SCORE, scorer, to_score)
            self._measure_sets(available, lost)
            self._write(lost)

    def _pass(
        self, available: Resources, stage: str, worker: Any, work: dict[int, Any], gpu: bool = False
    ) -> dict[int, str]:
        """Do what is missing; the shards that were lost for good, with the reason."""
        from raysep.cluster import shards

        done = self.done(stage) & set(work)
        finished = len(done)
        missing = {number: payload for number, payload in work.items() if number not in done}
        with self.run.stage(stage) as record, Progress(self.request.quiet).bar(stage) as advance:

            def on_done(shard: int, counts: dict) -> None:
                nonlocal finished
                finished += 1
                advance(finished, len(work))

            advance(finished, len(work))
            lost = shards.run_shards(
                worker, missing, available, most_workers=self.request.workers, gpu=gpu, on_done=on_done
            )
            record.update(shards=len(work), done_now=len(missing), lost=len(lost))
        return lost

    def _make_reference(self, available: Resources, lost: dict[int, str], least_spread: float) -> None:
        """Leaves ``reference.fadref``."""
        if self.heard.file:
            self.run.write_bytes(self.heard.file_bytes, comparing.REFERENCE_FILE)
            return
        by_label = self._located(self.heard.reference)
        check_reference(self.run, by_label, lost)
        builder = ReferenceBuilder(self.run.root, self.same, self.about, least_spread)
        work = dict(enumerate(by_label[label] for label in self.heard.reference_labels))
        if failed := self._pass(available, comparing.REFERENCE, builder, work):
            raise RaysepError(f"{self.run.root}: making the reference failed ({next(iter(failed.values()))})")
        parts = [comparing.reference_part(number) for number in work]
        files = [ReferenceFile.from_bytes(self.run.read_bytes(part), self.run.path(part)) for part in parts]
        self.run.write_bytes(ReferenceFile.joined(files).to_bytes(), comparing.REFERENCE_FILE)

    def _measure_sets(self, available: Resources, lost: dict[int, str]) -> None:
        by_label = self._located(self.heard.corpus)
        work = {}
        for number, label in enumerate(self.heard.labels):
            kept = [located for located in by_label[label] if located.shard not in lost]
            work[number] = (label, kept, len(by_label[label]) - len(kept))
        measurer = SetMeasurer(self.run.root, self.same, self.request.seed)
        if failed := self._pass(available, comparing.SETS, measurer, work):
            raise RaysepError(f"{self.run.root}: measuring the whole set failed ({next(iter(failed.values()))})")

    def _write(self, lost: dict[int, str]) -> None:
        rows = [
            comparing.failed_row(s, lost[n]) for n, stems in self._corpus_by_shard().items() if n in lost for s in stems
        ]
        for number in self._corpus_by_shard():
            rows += [] if number in lost else self.run.read_table(comparing.score_part(number)).to_pylist()
        if sorted((r["track"], r["stem"]) for r in rows) != sorted((s.track, s.stem) for s in self.heard.corpus):
            raise RaysepError(
                f"{self.run.root}: {len(self.heard.corpus)} stems went in, {len(rows)} came out; report this"
            )
        sets = [self.run.read_json(comparing.set_part(number)) for number in range(len(self.heard.labels))]
        record, reference = self.run.read_json("run.json"), comparing.load_reference(self.run)
        inputs = {name: record[name] for name in ("corpus", "reference", "digests", "embedder", "versions")}
        distance_tables.write(self.run, rows, sets, inputs, reference, self.about)

    def _corpus_by_shard(self) -> dict[int, list[Stem]]:
        places, found = self._places(), {}
        for stem in sorted(self.heard.corpus):
            found.setdefault(places[stem.uri], []).append(stem)
        return dict(sorted(found.items()))

    def _located(self, stems: Iterable[Stem]) -> dict[str, list[Located]]:
        """By label."""
        places, found = self._places(), {}
        for stem in sorted(stems):
            found.setdefault(stem.stem, []).append(Located(asdict(stem), places[stem.uri]))
        return found

    def _places(self) -> dict[str, int]:
        """URI → shard."""
        return {stem.uri: number for number, stems in self.shards.items() for stem in stems}


def check_reference(run: Run, by_label: dict[str, Sequence[Located]], lost: dict[int, str]) -> None:
    """Raise ``BadInput`` when a stem of the reference, which is trusted, cannot be read, or a label has too few."""
    for label, located in by_label.items():
        told = {}
        for shard in sorted({each.shard for each in located}):
            if shard in lost:
                raise RaysepError(f"{run.root}: embedding the reference failed ({lost[shard]})")
            told |= framing.read_rows(run, shard)
        own = [told[each.stem["uri"]] for each in located]
        if broken := [row for row in own if row["outcome"] == FAILED]:
            raise BadInput(
                f"--reference: {len(broken)} of its stems cannot be used, first: {broken[0]['message']}; put them right or "
                "leave them out, since a reference is trusted"
            )
        audible = sum(row["frames"] >= framing.LEAST_FRAMES for row in own)
        if audible < FEWEST_TRACKS:
            raise BadInput(
                f"--reference: {label} is audible in {audible} of {len(own)} tracks, and at least {FEWEST_TRACKS} are "
                "needed; add clean tracks that contain it, or leave the label out with --labels"
            )


def _report_failures(run: Run, rows: Sequence[dict[str, Any]]) -> None:
    failed = [row for row in rows if row["outcome"] == FAILED]
    if failed and len(failed) == len(rows):
        raise RaysepError(
            f"{run.root}: no stem could be scored ({failed[0]['message']}); put that right and start again"
        )
    if failed:
        raise FinishedWithFailures(
            f"{run.root}: finished, but {len(failed)} stems failed, first {failed[0]['track']}/{failed[0]['stem']} "
            f"({failed[0]['message']}); they are the rows of fad.csv with outcome 'failed'; the same command tries them again"
        )
