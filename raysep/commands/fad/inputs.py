"""What `raysep fad` listens to: a corpus, and a reference as tracks or as a file that an earlier run left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from raysep.commands.fad import embedding, tables
from raysep.corpus import manifest, storage
from raysep.corpus.labels import parse
from raysep.corpus.layouts import describe, stems_of
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput, RunConflict
from raysep.outcome import Outcome
from raysep.probes.fad.reference_file import SUFFIX, ReferenceFile
from raysep.rundir import Run

Say = Callable[[str], None]
CORPUS, REFERENCE = "corpus.parquet", "reference.parquet"  # of a run: the manifests of what it listens to


@dataclass(frozen=True)
class Comparison:
    corpus: list[Stem]
    reference: list[Stem] = field(default_factory=list)  # none with a reference file
    file: ReferenceFile | None = None
    file_bytes: bytes = b""

    @property
    def labels(self) -> tuple[str, ...]:
        return manifest.labels_of(self.corpus)

    @property
    def reference_labels(self) -> tuple[str, ...]:
        return tuple(self.file.labels) if self.file else manifest.labels_of(self.reference)

    @property
    def sample_rate(self) -> int:
        """The commonest of the reference tracks, Hz: audio that lacks what a clean track has at its top shall show it."""
        return Counter(stem.sample_rate for stem in self.reference).most_common(1)[0][0]

    @property
    def digests(self) -> dict[str, str]:
        """Of the content, wherever it lies."""
        reference = storage.digest(self.file_bytes) if self.file else manifest.digest(self.reference)
        return {"corpus": manifest.digest(self.corpus), "reference": reference}

    @cached_property
    def names(self) -> dict[str, str]:
        """URI → the name that the file's frames go by, the same at another address. One in both is the reference's."""
        found: dict[str, str] = {}
        for part, stems in (("reference", self.reference), ("corpus", self.corpus)):
            for stem in stems:
                found.setdefault(stem.uri, f"{part}/{stem.stem_id}")
        return found

    @cached_property
    def files(self) -> dict[str, Stem]:
        """By name, each file once."""
        return {self.names[stem.uri]: stem for stem in [*self.corpus, *self.reference]}

    def write(self, run: Run) -> None:
        """Leaves ``CORPUS``, and ``REFERENCE`` unless that is a file."""
        manifest.write(run.path(CORPUS), self.corpus)
        if not self.file:
            manifest.write(run.path(REFERENCE), self.reference)

    def before(self, run: Run) -> Comparison | None:
        """What the run listened to until now, with this reference file, if any; None when it has not begun."""
        there = (CORPUS,) if self.file else (CORPUS, REFERENCE)
        if not all(run.has(name) for name in ("run.json", *there)):
            return None
        reference = self.reference if self.file else manifest.read(run.path(REFERENCE))
        return replace(self, corpus=manifest.read(run.path(CORPUS)), reference=reference)

    def changed_from(self, before: Comparison) -> set[str]:
        """Names of the files whose content is another one, that are new, and that are gone."""
        told, here = ({n: manifest.digest([s]) for n, s in compared.files.items()} for compared in (before, self))
        return {name for name in told.keys() | here.keys() if told.get(name) != here.get(name)}

    def with_known(self, before: Comparison) -> Comparison:
        """Files that could not even be opened just now as they were: that passes, and what was made of them is good."""
        known = {stem.stem_id: stem for stem in before.corpus}

        def was(stem: Stem) -> Stem:
            old = known.get(stem.stem_id, stem)
            return replace(old, uri=stem.uri) if not stem.etag and old.bytes == stem.bytes else stem

        return replace(self, corpus=[was(stem) for stem in self.corpus])


def read_comparison(
    corpus: str,
    reference: str,
    labels: Sequence[str] | None = None,
    split: str | None = None,
    layout: str | None = None,
    say: Say = lambda text: None,
) -> Comparison:
    """Read both, headers only. Raises ``BadInput`` when one cannot be used, or the corpus has labels the reference lacks.

    A file of the corpus that cannot be read as audio stays: it will be a row that failed. One of the reference is an
    error. Of the reference only the corpus's labels are kept.
    """
    stems = read_stems(corpus, labels, split, layout, say)
    if reference.endswith(SUFFIX):
        data = _file_bytes(reference)
        found = Comparison(stems, file=ReferenceFile.from_bytes(data, reference), file_bytes=data)
    elif storage.absolute(reference) == storage.absolute(corpus):
        found = Comparison(stems, stems)
    else:
        # The labels asked for, else its own: a flat folder must not be looked through for vocals and drums.
        found = Comparison(stems, read_stems(reference, labels, None, layout, say, "reference"))
    if lacking := [label for label in found.labels if label not in found.reference_labels]:
        raise BadInput(
            f"--reference {reference}: has {', '.join(found.reference_labels)}, but the corpus has {', '.join(lacking)}; "
            "choose with --labels, or give clean audio of the same kind"
        )
    if broken := [stem.uri for stem in found.reference if not stem.frames]:
        raise BadInput(
            f"--reference {reference}: {len(broken)} files cannot be read as audio, first {broken[0]}; replace or remove them"
        )
    return Comparison(stems, [s for s in found.reference if s.stem in found.labels], found.file, found.file_bytes)


def accept_mended_files(run: Run, compared: Comparison, fingerprint_of: Callable[[Comparison], str]) -> Comparison:
    """Let a run go on when nothing but files that it could not use has changed since; returns what it goes on with.

    Whatever was made of a file that is as it was stays. Raises ``RunConflict`` naming the first file that may not change.
    """
    before = compared.before(run)
    if before is None:
        return compared
    now = compared.with_known(before)
    record = run.read_json("run.json")
    known = (record["fingerprint"], *record.get("accepts", []))
    if fingerprint_of(now) in known or fingerprint_of(before) not in known:
        return now  # nothing has changed, or the request itself has: ``Run.open`` refuses that
    if others := sorted(now.changed_from(before) - _may_change(run, before, now)):
        raise RunConflict(
            f"{run.root}: {len(others)} files that it was made of have changed, are gone or are new, first {others[0]}; "
            "put them back, or choose another --out"
        )
    run.accept(fingerprint_of(now))
    return now


def _may_change(run: Run, before: Comparison, now: Comparison) -> set[str]:
    """Names of the files that the run failed to use, or has not come to yet, with their tracks where those are left out.

    As long as there is no result, also those that are new.
    """
    if run.has(tables.TABLE):
        rows, new = run.read_table(tables.TABLE).to_pylist(), set()
        failed = {(row["track"], row["stem"]) for row in rows if row["outcome"] == Outcome.FAILED}
        unused = {before.names[stem.uri] for stem in before.corpus if (stem.track, stem.stem) in failed}
    else:
        told = [row for shard in run.markers(embedding.STAGE) for row in embedding.read_rows(run, shard).values()]
        unused = before.files.keys() - {row["name"] for row in told if row["outcome"] != Outcome.FAILED}
        new = now.files.keys() - before.files.keys()

    def track_of(name: str) -> tuple[str, str]:
        return name.partition("/")[0], before.files[name].track

    tracks = {track_of(name) for name in unused}
    return unused | {name for name in before.files.keys() - now.files.keys() if track_of(name) in tracks} | new


def read_stems(
    uri: str,
    labels: Sequence[str] | None,
    split: str | None,
    layout: str | None = None,
    say: Say = lambda text: None,
    usual_split: str = "train",
) -> list[Stem]:
    """From a manifest, folders of tracks, or a folder of songs without stems, which are all of one label."""
    wanted = parse(labels) if labels else None
    labels, sums = (wanted.names, wanted.sums) if wanted else (None, None)
    which: dict[str, Any] = {"split": usual_split, "asked_split": split}
    found = stems_of(uri, labels, sums=sums, on_problem="collect", layout=layout, songs=True, say=say, **which)
    # Stems of different lengths are no fault here, and what is no audio is a row that fails; the rest is the layout.
    there = {(stem.track, stem.stem) for stem in found.stems}
    if wrong := [p for p in found.problems if not p.unreadable and (p.track, p.stem) not in there]:
        raise BadInput(describe(uri, wrong))
    if not found.stems:
        kind = f" labelled {' or '.join(labels)}" if labels else ""
        raise BadInput(f"{uri}: holds no stems{kind}; make a manifest with `raysep scan CORPUS --out {uri}`")
    names = Counter(stem.stem_id for stem in found.stems)
    if twice := [name for name, rows in names.items() if rows > 1]:
        raise BadInput(f"{uri}: {len(twice)} stems have more than one row, first {twice[0]}; keep one of each")
    return found.stems


def _file_bytes(uri: str) -> bytes:
    try:
        return storage.read_bytes(storage.absolute(uri))
    except OSError as error:
        raise BadInput(
            f"--reference {uri}: cannot be read ({error}); give the {SUFFIX} that `raysep fad` left"
        ) from error
