"""A decision table read back, by the run that made it or by a training that is to go by it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from raysep.corpus.names import normal
from raysep.decision.handling.base import Decision
from raysep.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.training.entry import Spans


def rows_of(table: pa.Table) -> Decision:
    """stem_id → row, ``weight`` as a number (0 where there is none and none is needed) and ``spans`` as pairs.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what is no decision table.
    """
    return {normal(row["stem_id"]): _row(row) for row in table.to_pylist()}


def read_decision(uri: str) -> Decision:
    """The rows of a table (Parquet or CSV) with ``stem_id``, ``keep``, ``weight`` and, if it has it, ``spans``.

    ``spans`` is a list of ``{start, stop}`` in seconds, audio that is not to be used; empty and missing mean none.
    Raises ``BadInput`` for a file that is no decision table, and for a weight or a span that makes no sense.
    """
    import pyarrow as pa

    from raysep.corpus import storage
    from raysep.corpus.tables import read_table
    from raysep.decision.verdicts import SCHEMA

    try:
        decision = rows_of(read_table(storage.absolute(uri), SCHEMA))
    except (FileNotFoundError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"--decision {uri}: no decision table ({error}); give a run's decision.parquet") from error
    for stem_id, row in decision.items():
        weight = row["weight"]
        if row["keep"] and not (math.isfinite(weight) and weight >= 0):
            raise BadInput(f"--decision {uri}: weight {weight} of {stem_id}: must be a number of at least 0")
    for stem_id, row in decision.items():
        if wrong := [span for span in row["spans"] if not 0 <= span[0] < span[1]]:
            raise BadInput(f"--decision {uri}: span {wrong[0]} of {stem_id}: start must be at least 0 and before stop")
    return decision


def _row(row: dict[str, Any]) -> dict[str, Any]:
    needed = row["keep"] or row["weight"] is not None
    names = {key: normal(row[key]) for key in ("stem_id", "track", "stem") if isinstance(row.get(key), str)}
    return row | names | {"weight": float(row["weight"]) if needed else 0.0, "spans": _spans(row)}


def _spans(row: dict[str, Any]) -> Spans:
    return tuple((float(span["start"]), float(span["stop"])) for span in row.get("spans") or ())
