"""A removed stem that holds others' sound is used without it, where taking it out was shown to beat dropping the stem.

What is restored is a file of the run's folder, which `raysep restore RUN` made, and the suspect one is not touched. So whoever reads
a stem (a training, an export, a manifest) reads a restored one like any other, and the same one every time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from raysep.audio import streams
from raysep.corpus import storage
from raysep.corpus.names import normal
from raysep.corpus.threads import in_threads
from raysep.decision.handling.base import Decision, Handling, named
from raysep.errors import BadInput
from raysep.outcome import Outcome
from raysep.training.entry import Entry

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.corpus.manifest import Stem
    from raysep.rundir import Run

COLUMN = "restored"  # of a removed stem, as JSON: what its row of the manifest has instead; null = it is not restored
TABLE, FOLDER = "restored.parquet", "restored"  # of the run
FILE = ("uri", "format", "bytes", "etag")  # of what is restored, in its table and in the column
UNASKED = "not restored: `raysep restore` was not asked of it"


def restore(decision: Decision, stems: Iterable[Stem]) -> list[Entry]:
    rows = list(named(decision, stems))
    if rows and not any(COLUMN in row for _, row in rows):
        raise BadInput(
            f"handling restore: the decision has no column {COLUMN!r}: `raysep restore RUN` restores, `raysep decide RUN "
            "--handling restore` writes a decision with it"
        )
    used = [(stem if row["keep"] else restored_of(stem, row)) for stem, row in rows]
    return [Entry(stem) for stem in used if stem]


def restored_of(stem: Stem, row: Mapping[str, Any]) -> Stem | None:
    """The stem as it was restored, of the same rate and length; None where it was not. Raises ``BadInput`` for a strange cell."""
    told = row.get(COLUMN)
    if not told:
        return None
    try:
        file = json.loads(told)
        return replace(stem, **{name: file[name] for name in FILE}, parts=(), padding=0, modified=0)
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{COLUMN} of {stem.stem_id}: {told!r} is not what `raysep decide` writes ({error})") from error


def is_restored(entry: Entry, decision: Decision) -> bool:
    """Whether the entry's file is what was restored of a removed stem."""
    made = restored_of(entry.stem, decision.get(entry.stem.stem_id, {}))
    return made is not None and made.uri == entry.stem.uri


def with_restored(decision: pa.Table, restored: pa.Table) -> pa.Table:
    """The decision with ``restored`` for each removed stem that was restored, and with why, or why not, in the reasons."""
    import pyarrow as pa

    known = {row["stem_id"]: row for row in restored.to_pylist()}
    files: list[str | None] = []
    reasons: list[str] = []
    for row in decision.select(["stem_id", "keep", "outcome", "reason"]).to_pylist():
        asked = not row["keep"] and row["outcome"] == Outcome.SCORED
        found = known.get(row["stem_id"], {"restored": False, "reason": UNASKED}) if asked else None
        file = {name: found[name] for name in FILE} if found and found["restored"] else None
        files.append(json.dumps(file) if file else None)
        reasons.append(f"{row['reason']}; {found['reason']}" if found else row["reason"])
    place = decision.schema.get_field_index("reason")
    decision = decision.set_column(place, "reason", pa.array(reasons, pa.string()))
    if COLUMN in decision.column_names:
        decision = decision.drop_columns([COLUMN])
    return decision.append_column(COLUMN, pa.array(files, pa.string()))


def with_restored_of(decision: pa.Table, run: Run) -> pa.Table:
    """The same for a handling that restores where something was restored; as it is in a run in which nothing was asked."""
    return with_restored(decision, _where_they_are(run)) if run.has(TABLE) else decision


def relocated(decision: pa.Table, run: Run) -> pa.Table:
    """The decision, made when the run or another of its copies lay elsewhere, with the restored files where they lie now.

    A cell that names no file of this run, by its content, stays.
    """
    import pyarrow as pa

    if COLUMN not in decision.column_names or not run.has(TABLE):
        return decision
    rows = _where_they_are(run).select(["stem_id", *FILE]).to_pylist()
    here = {row["stem_id"]: {name: row[name] for name in FILE} for row in rows if row["uri"]}
    cells = []
    for stem_id, told in zip(decision["stem_id"].to_pylist(), decision[COLUMN].to_pylist(), strict=True):
        file = here.get(normal(stem_id)) if told else None
        cells.append(json.dumps(file) if file and f'"{file["etag"]}"' in told else told)
    return decision.set_column(decision.schema.get_field_index(COLUMN), COLUMN, pa.array(cells, pa.string()))


def refuse_gone(entries: Iterable[Entry], decision: str) -> None:
    """Raise ``BadInput`` when what was restored is not where the decision says: its run was moved, or is gone."""
    files = [streams.file_of(entry.stem.uri)[0] for entry in entries]
    gone = [uri for uri, there in zip(files, in_threads(storage.exists, files), strict=True) if not there]
    if gone:
        are = "restored stem is" if len(gone) == 1 else "restored stems are"
        raise BadInput(
            f"{decision}: {len(gone)} {are} not where it says, first {gone[0]}; `raysep decide RUN` writes it again with "
            "where the run lies now"
        )


def _where_they_are(run: Run) -> pa.Table:
    """What was restored, below the run's folder as it is called now: it may have been moved."""
    import pyarrow as pa

    table = run.read_table(TABLE)
    rows = table.select(["stem_id", "restored"]).to_pylist()
    places = [run.path(FOLDER, f"{row['stem_id']}.wav") if row["restored"] else None for row in rows]
    return table.set_column(table.schema.get_field_index("uri"), "uri", pa.array(places, pa.string()))


RESTORE = Handling(
    "restore",
    "what is not kept is used without what the separator takes for other labels, where that was shown to beat leaving it out",
    restore,
    table=TABLE,
    made_by="raysep restore RUN",
    find=with_restored_of,
)
