"""``failed.parquet``: the stems that could not be used, a row each, whatever stage it was that could not read them.

Scoring has a row for every stem and so tells of its own. Other stages leave a stem out, and say so in their record: under
``UNREAD``, as ``[stem_id, why]``. A stem that more than one stage failed on has one row, scoring's before all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pyarrow as pa

from raysep.corpus import manifest
from raysep.corpus.manifest import Stem
from raysep.errors import FinishedWithFailures
from raysep.rundir import Run
from raysep.screen import Progress

FAILED = pa.schema([(name, pa.string()) for name in ("stem_id", "track", "stem", "uri", "error", "message")])
TABLE = "failed.parquet"
UNREAD = "unread"
MANIFESTS = ("manifest", "reference", "planted", "test", "validation")  # of a run, where its stems are
NO_AUDIO = "{}: could not be read as audio when it was scanned; replace or remove the file"
RETRY = "put them right and run the same command with --retry-failed"

Row = dict[str, Any]


def noted(unread: Mapping[str, str]) -> dict[str, list[list[str]]]:
    """What a stage adds to its record: stem_id → why it could not be read. Empty too, so that a former note is forgotten."""
    return {UNREAD: [list(item) for item in sorted(unread.items())]}


def unread_in(run: Run, stage: str) -> dict[str, str]:
    """stem_id → why, of a stage that is done."""
    record = run.read_json("run.json").get("stages", {}).get(stage, {}) if run.has("run.json") else {}
    return dict(record.get(UNREAD, ()))


def write(run: Run, rows: Iterable[Row]) -> None:
    """Leave ``failed.parquet``: these rows, and one for each further stem that a stage could not read."""
    found = {row["stem_id"]: row for row in rows}
    stages: dict[str, list[str]] = {}
    why: dict[str, str] = {}
    for stage in run.read_json("run.json").get("stages", {}) if run.has("run.json") else ():
        for stem_id, told in unread_in(run, stage).items():
            stages.setdefault(stem_id, []).append(stage)
            why.setdefault(stem_id, told)
    stems = _stems(run) if stages.keys() - found.keys() else {}
    for stem_id in sorted(stages.keys() - found.keys()):
        told = f"{why[stem_id]}; left out of {', '.join(stages[stem_id])}"
        found[stem_id] = row_of(stems[stem_id], told) if stem_id in stems else _unknown(stem_id, told)
    run.write_table(pa.Table.from_pylist(list(found.values()), schema=FAILED), TABLE)


def add(run: Run) -> None:
    """The same, with the rows that are there already: stages have been done since."""
    write(run, run.read_table(TABLE).to_pylist() if run.has(TABLE) else [])


def forget(run: Run, scored: Collection[str], progress: Progress) -> None:
    """Stems that an earlier stage could not read, and that scoring can now, are failures no more. That is said."""
    record = run.read_json("run.json")
    mended: dict[str, str] = {}
    for stage, about in record.get("stages", {}).items():
        mended |= {stem_id: stage for stem_id, _ in about.get(UNREAD, ()) if stem_id in scored}
        if UNREAD in about:
            about[UNREAD] = [item for item in about[UNREAD] if item[0] not in scored]
    if mended:
        run.write_json(record, "run.json")
        stem_id, stage = next(iter(mended.items()))
        progress.say(
            f"note: {len(mended)} stems are scored now that {stage} could not read (first {stem_id}): what it made, it made "
            "without them; a new --out would begin with them"
        )


def row_of(stem: Stem, message: str) -> Row:
    about = {"stem_id": stem.stem_id, "track": stem.track, "stem": stem.stem, "uri": stem.uri}
    return about | {"error": "AudioError", "message": message}


def refuse(run: Run, remedy: str = RETRY) -> None:
    """Raise ``FinishedWithFailures`` when some stems could not be used."""
    failed = run.read_table(TABLE).to_pylist()
    if failed:
        first = failed[0]
        raise FinishedWithFailures(
            f"{run.root}: finished, but {len(failed)} stems failed, first {first['stem_id']} ({first['message']}); all are in "
            f"{TABLE}; {remedy}"
        )


def _stems(run: Run) -> dict[str, Stem]:
    files = [f"{name}.parquet" for name in MANIFESTS if run.has(f"{name}.parquet")]
    return {stem.stem_id: stem for file in reversed(files) for stem in manifest.read(run.path(file))}


def _unknown(stem_id: str, message: str) -> Row:
    track, _, label = stem_id.rpartition("/")
    about = {"stem_id": stem_id, "track": track, "stem": label, "uri": ""}
    return about | {"error": "AudioError", "message": message}
