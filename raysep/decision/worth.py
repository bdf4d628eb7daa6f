"""What a stem is worth as a probe of the fusion: a column beside the others, higher = cleaner.

Off unless asked for. As a detector of faults it was found to be weak, and it is taken to be no more than one probe among many.
"""

from __future__ import annotations

import json

import pyarrow as pa

from raysep.errors import BadInput
from raysep.probes.stored import KEY
from raysep.rundir import Run

NAME, TABLE = "worth", "worth-evidence.parquet"


def with_worth(stems: pa.Table, found: pa.Table) -> pa.Table:
    """Rows per stem, described as a run's ``stems.parquet`` is, with the worth of ``found`` ``(stem_id, worth)``; null where it
    says nothing.
    """
    worth = dict(zip(found["stem_id"].to_pylist(), found["worth"].to_pylist(), strict=True))
    column = pa.array([worth.get(stem_id) for stem_id in stems["stem_id"].to_pylist()], pa.float64())
    metadata = dict(stems.schema.metadata or {})
    about = json.loads(metadata.get(KEY, b'{"probes": {}}'))
    about["probes"][NAME] = {"context": "own", "oriented": True}
    table = stems.append_column(NAME, column)
    return table.replace_schema_metadata({**metadata, KEY: json.dumps(about).encode()})


def found_in(run: Run) -> pa.Table:
    """What ``raysep worth RUN --evidence`` found. Raises ``BadInput`` where it was not asked."""
    if not run.has(TABLE):
        raise BadInput(f"--with-worth: {run.root} has no {TABLE} yet: `raysep worth RUN --evidence` makes it")
    return run.read_table(TABLE)


def prices(run: Run) -> dict[str, str]:
    """stem_id → what it costs or brings, in words (``price``); empty where ``raysep worth`` was not asked."""
    rows = run.read_table("worth.parquet").to_pylist() if run.has("worth.parquet") else []
    told = {row["stem_id"]: price(row["worth"], row.get("spread")) for row in rows}
    return {stem_id: words for stem_id, words in told.items() if words}


def price(worth: float | None, spread: float | None) -> str:
    """ "costs 0.031 dB on the reference (± 0.004 over seeds)"; nothing where it is not known."""
    if worth is None:
        return ""
    told = "" if spread is None else f" (± {spread:.3f} over seeds)"
    return f"{'costs' if worth < 0 else 'brings'} {abs(worth):.3f} dB on the reference{told}"
