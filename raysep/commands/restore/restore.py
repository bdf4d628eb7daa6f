"""Restore removed stems of a decided run, where trusted stems show that this beats leaving them out.

    trusted songs ─ planted faults ─ the separator that never heard them ─ a rule for each label ─┐
    removed stems ─ the same separator ─ those that look like bleed ─ restored/TRACK/LABEL.wav ────┴─ restored.parquet

RUN/
  restored.parquet   a row for each removed stem: whether it is restored, why or why not, and its file
  restored.json      the rule of each label, counts, cost
  restored/          the restored stems
  restore-trials/  restore/  done/…   a part and a marker for each shard: what is there is not done again

The separator is the one that was trained on the reference alone; where folds rotate, that of the stem's fold. It never heard
the corpus, whose faults it would have learned, nor the songs that it is tried on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from raysep import driving, pipeline
from raysep.commands.restore.worker import SCHEMA, Restorer, Separating, Songs, Suspects, Trier
from raysep.corpus import manifest, storage
from raysep.corpus.dealing import parts_of, read_seconds, split
from raysep.corpus.hashing import fingerprint
from raysep.corpus.inputs import Inputs
from raysep.corpus.manifest import Stem
from raysep.corpus.pools import mixes_of
from raysep.decision.handling.reading import read_decision
from raysep.decision.handling.relabel import belongs_elsewhere
from raysep.decision.handling.restore import TABLE
from raysep.decision.restoring import Rule, rules
from raysep.errors import BadInput, RaysepError
from raysep.outcome import Outcome
from raysep.rundir import Run, existing
from raysep.screen import Progress
from raysep.stages import plant, train
from raysep.stages.context import Context
from raysep.stages.passes import Pass
from raysep.stages.plant import Planting

TRIALS, STAGE, RECORD = "restore-trials", "restore", "restored.json"
LEAST_PARTS = 4  # of a fold
DROPPED = "not restored: restoring does not beat dropping for {}"  # what follows is in restored.json, once for all


@dataclass(frozen=True)
class Request:
    """What `raysep restore` was asked."""

    run: str
    decision: str | None = None
    workers: int | str | None = None  # as ``--workers`` has them
    address: str | None = None
    quiet: bool = False


def restore(request: Request) -> Run:
    """Try on trusted songs, restore, write ``restored.parquet`` and print what was found. Returns the run.

    Raises ``BadInput`` for a run that is not decided, or whose separator heard all of its reference, and ``RaysepError`` when a
    stem cannot be read.
    """
    from raysep.cluster import session, shards

    run, progress = existing(request.run, "decision.parquet", "planted.parquet"), Progress(request.quiet)
    read_decision(request.decision or run.path("decision.parquet"))  # what is none shows before Ray starts
    with driving.driven(run, progress), session.session(request.address) as available:
        context, inputs = pipeline.reopened(run, available, progress, request.workers)
        planting = plant.plant(context, inputs)
        suspects = suspects_of(inputs.corpus, request.decision or run.path("decision.parquet"), context.config.labels)
        with run.stage(STAGE) as record, shards.kept_workers():
            found = rules(_tried(context, inputs, planting), context.config.labels, context.config.seed)
            table = _restored(context, planting, suspects, found)
            run.write_table(table, TABLE)
            told = _record(run, found, table)
            run.write_json(told, RECORD)
            record.update(told["counts"])
    if not request.quiet:
        for line in told["found"]:
            print(line)
    return run


def suspects_of(corpus: Iterable[Stem], decision: str, labels: Sequence[str]) -> list[Stem]:
    """The stems that the decision removes though they could be heard, and that belong to no other label."""
    rows = read_decision(decision)
    found = []
    for stem in corpus:
        row = rows.get(stem.stem_id)
        if row is None or row["keep"] or stem.stem not in labels or belongs_elsewhere(stem, row):
            continue
        if row.get("outcome", Outcome.SCORED) == Outcome.SCORED and not row.get("verdict"):
            found.append(stem)
    return found


def unheard(planting: Planting, reference: Iterable[Stem]) -> dict[str, list[Stem]]:
    """Network of the run → the reference stems whose tracks it was not trained on; without those that heard all."""
    reference = list(reference)
    found = {}
    for fold in planting.folds:
        heard = {stem.track for stem in fold.target}
        if left := [stem for stem in reference if stem.track not in heard]:
            found[fold.named(train.REFERENCE)] = left
    return found


def _tried(context: Context, inputs: Inputs, planting: Planting) -> pa.Table:
    """``TRIALS`` of all trusted songs."""
    by_network = unheard(planting, inputs.reference)
    if not by_network:
        raise BadInput(
            f"{context.run.root}: its separator heard all {len(manifest.tracks_of(inputs.reference))} reference tracks, so none is "
            f"left to try restoring on; a run with {context.config.planting.least_tracks} or more has some"
        )
    work: dict[int, Any] = {}
    for network, stems in by_network.items():
        mixes = mixes_of(stems)
        for names in _dealt(mixes, stems, context):
            work[len(work)] = Songs(network, {name: mixes[name] for name in names})
    return _passed(context, Trier, TRIALS, work)


def _restored(context: Context, planting: Planting, suspects: Sequence[Stem], found: Mapping[str, Rule]) -> pa.Table:
    """A row of ``SCHEMA`` for each suspect; audio is read of those alone for whose label it pays."""
    rows = [
        {"stem_id": s.stem_id, "track": s.track, "stem": s.stem, "restored": False, "reason": DROPPED.format(s.stem)}
        for s in suspects
        if not found[s.stem].pays
    ]
    asked = [stem for stem in suspects if found[stem.stem].pays]
    work: dict[int, Any] = {}
    for fold in planting.folds:
        mine = {s.stem_id: s for s in asked if planting.fold_of.get(s.track) == fold.number}
        for names in _dealt(mine, mine.values(), context):
            work[len(work)] = Suspects(fold.named(train.REFERENCE), tuple(mine[name] for name in names), found)
    parts = [pa.Table.from_pylist(rows, schema=SCHEMA), *([_passed(context, Restorer, STAGE, work)] if work else [])]
    return pa.concat_tables(parts).sort_by("stem_id")


def _dealt(names: Iterable[str], stems: Iterable[Stem], context: Context) -> list[list[str]]:
    most = context.config.scoring.most_segments * context.config.scoring.segment_seconds
    return list(split(names, parts_of(read_seconds(stems, most), LEAST_PARTS)).values())


def _passed(context: Context, kind: type[Separating], stage: str, work: Mapping[int, Any]) -> pa.Table:
    """The parts of a pass, of which only what is missing is made. Raises ``RaysepError`` for the first shard that failed."""
    networks = {each.network for each in work.values()}
    known = {name: storage.digest(context.run.read_bytes("checkpoints", f"{name}.safetensors")) for name in networks}
    prints = {
        shard: fingerprint(context.fingerprint, known[payload.network], repr(payload))
        for shard, payload in work.items()
    }
    todo = replace(Pass.of(context, stage), fingerprint=prints)
    with context.progress.bar(stage, "shards") as advance:
        done = todo.run(kind.of(context, fingerprint=prints, stage=stage), work, advance, gpu=True)
    if done.lost:
        raise RaysepError(f"{context.run.root}: {stage} failed ({done.reason})")
    markers = todo.done
    return pa.concat_tables([context.run.read_table(markers[shard]["part"]) for shard in sorted(work)])


def _record(run: Run, found: Mapping[str, Rule], table: pa.Table) -> dict[str, Any]:
    restored = table.filter(table["restored"])
    removed, made = Counter(table["stem"].to_pylist()), Counter(restored["stem"].to_pylist())
    lines = [
        f"{label}: {made[label]} of {removed[label]} removed stems restored; {rule.words}"
        if rule.pays
        else f"{label}: none of {removed[label]} removed stems restored, dropping them is as good; {rule.words}"
        for label, rule in found.items()
    ]
    if len(restored):
        lines.append(f"to use them: raysep decide {run.root} --handling restore --out restored-decision.parquet")
    counts = {"removed": len(table), "restored": len(restored), "bytes": sum(restored["bytes"].to_pylist())}
    return {"labels": {label: rule.to_dict() for label, rule in found.items()}, "counts": counts, "found": lines}
