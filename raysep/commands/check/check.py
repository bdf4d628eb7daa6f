"""What is wrong with a corpus that can be told at once: what `raysep check` calls.

OUT/
  run.json          what was looked at: the places, the files by digest, versions
  check.parquet     a row for each thing found: faults, which should be looked at, and notes, which may be meant so
  manifest.parquet  the corpus as it lay there; and reference.parquet, test.parquet: files that are as before are not read again
  stems.parquet     a row for each file: its measures, and how unusual it sounds
  unique.parquet    the corpus's manifest without copies (with --unique)
  check/, done/     parts, and markers of what is done: the same command looks only at files that changed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raysep.commands.check import findings, tables
from raysep.corpus import leaks, manifest, storage
from raysep.corpus.hashing import fingerprint
from raysep.corpus.layouts import LABELS, Scan, stems_of
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput, FinishedWithFailures
from raysep.probes import unusual
from raysep.probes.flaws import FAULT
from raysep.rundir import Run
from raysep.screen import Progress
from raysep.stages.check import Heard, Listening, listen
from raysep.stages.inputs import MANIFESTS, known_in
from raysep.stages.passes import Pass

EMBEDDER = "aisfx"  # ships, and hears the full band: ``embedders.registry.DEFAULT``


@dataclass(frozen=True)
class CheckRequest:
    """What `raysep check` was asked."""

    corpus: str
    out: str
    reference: str | None = None
    test: str | None = None
    labels: tuple[str, ...] | None = None  # None: those of the manifest, else the usual four
    split: str | None = None  # of a corpus with split folders; None: train
    layout: str | None = None  # of ``corpus.layouts``, for all; None: whichever matches
    limit: int | None = None  # tracks of the corpus, in the order of their names; None: all
    unique: bool = False  # copies of a track count once
    sound: bool = True  # rank stems by their embedding
    csv: str | None = None
    json: str | None = None  # a file, or ``tables.STANDARD_OUTPUT`` instead of words
    workers: int | str | None = None
    address: str | None = None
    quiet: bool = False


def check(request: CheckRequest) -> Run:
    """Listen to every file once, write the tables and print them. Returns the folder.

    Raises ``BadInput`` when there is nothing to look at, ``RunConflict`` when ``out`` holds something else,
    ``FinishedWithFailures`` when all is done and faults were found.
    """
    scans = read(request)
    parts = {role: scan.stems for role, scan in scans.items()}
    run = Run(request.out)
    run.open(fingerprint("check", storage.absolute(request.corpus)), {"corpus": storage.absolute(request.corpus)})
    run.update({"digests": {role: manifest.digest(stems) for role, stems in parts.items()}})
    for role, stems in parts.items():
        manifest.write(run.path(MANIFESTS[role]), stems)
    heard = _listen(request, run, parts)
    twins = leaks.find(heard.prints)
    rows = _with_standing(heard)
    found = findings.of(scans, rows, twins)
    dropped = leaks.copies(twins) if request.unique else {}
    counts = tables.counts(rows, found, dropped)
    _write(request, run, rows, found, counts)
    if request.unique:
        kept = [stem for stem in parts["corpus"] if stem.track not in dropped]
        manifest.write(run.path(tables.UNIQUE), kept)
    if request.json != tables.STANDARD_OUTPUT:
        tables.show(counts, found, rows, leaks.incomparable(heard.prints), run.root)
    refuse_faults(run, found)
    return run


def read(request: CheckRequest) -> dict[str, Scan]:
    """Role → what lies there, files that cannot be read among it. Raises ``BadInput`` when there is no stem at all."""
    known = known_in(Run(request.out))
    places = {"corpus": request.corpus, "reference": request.reference, "test": request.test}
    found = {}
    for role, place in places.items():
        if place:
            found[role] = stems_of(
                storage.absolute(place),
                request.labels,
                usual=LABELS,
                split="train" if role == "corpus" else role,
                asked_split=request.split if role == "corpus" else None,
                on_problem="collect",
                layout=request.layout,
                say=Progress(request.quiet).say,
                known=known,
                limit=request.limit if role == "corpus" else None,
            )
            if not found[role].stems:
                raise BadInput(f"{place}: holds no stems; give tracks as TRACK/LABEL.wav, or choose with --labels")
    return found


def _listen(request: CheckRequest, run: Run, parts: dict[str, list[Stem]]) -> Heard:
    from raysep.cluster import session

    listening = Listening(measures=True, embedder=EMBEDDER if request.sound else "")
    with session.session(request.address) as available:
        for uri in (run.root, *(stems[0].uri for stems in parts.values())):
            session.check_reachable(uri, available)
        todo = Pass(run, "check", "", available, Progress(request.quiet), request.workers, again=True)
        return listen(todo, parts, listening)


def _with_standing(heard: Heard) -> list[dict[str, Any]]:
    """The rows, those of the corpus's stems with how unusual they sound among the others."""
    names = sorted(key for key in heard.vectors if key[0].role == "corpus")
    if not names:
        return heard.rows
    import numpy as np

    vectors = np.stack([heard.vectors[name] for name in names])
    told = unusual.standings(vectors, [label for _, label in names], [place.track for place, _ in names])
    by_name = {(place.track, label): standing for (place, label), standing in zip(names, told, strict=True)}
    for row in heard.rows:
        if row["role"] == "corpus" and (standing := by_name.get((row["track"], row["stem"]))):
            row |= {"unusual": standing.unusual, "nearest": standing.nearest, "like_other": standing.other}
    return heard.rows


def _write(
    request: CheckRequest, run: Run, rows: Sequence[dict], found: Sequence[findings.Row], counts: dict[str, Any]
) -> None:
    table = findings.table(found)
    run.write_table(tables.stems_table(rows), tables.STEMS)
    run.write_table(table, tables.CHECK)
    for place, data in ((request.csv, tables.csv_bytes), (request.json, tables.json_bytes(counts, rows))):
        if place == tables.STANDARD_OUTPUT:
            print(data(table).decode(), end="")
        elif place:
            storage.write_bytes(storage.absolute(place), data(table))


def refuse_faults(run: Run, found: Sequence[findings.Row]) -> None:
    faults = [row for row in found if row.level == FAULT]
    if faults:
        raise FinishedWithFailures(
            f"{run.root}: {len(faults)} faults found, first {faults[0].where}: {faults[0].words}; {tables.CHECK} names "
            "all; put right what is wrong and give the same command again"
        )
