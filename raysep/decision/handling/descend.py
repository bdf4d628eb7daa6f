"""Every stem is drawn by the weight that descent on the reference's loss found for it, whatever the rule thinks of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from raysep.decision.handling.base import Decision, Handling, named
from raysep.errors import BadInput
from raysep.outcome import Outcome
from raysep.training.entry import Entry

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.corpus.manifest import Stem

COLUMN = "descended"


def descend(decision: Decision, stems: Iterable[Stem]) -> list[Entry]:
    rows = list(named(decision, stems))
    if rows and not any(COLUMN in row for _, row in rows):
        raise BadInput(
            f"handling descend: the decision has no column {COLUMN!r}: `raysep descend RUN` finds the weights, "
            "`raysep decide RUN --handling descend` writes a decision with them"
        )
    return [Entry(stem, row[COLUMN]) for stem, row in rows if row.get(COLUMN)]


def with_weights(decision: pa.Table, descent: pa.Table) -> pa.Table:
    """The decision with ``descended``, the weights found ``(stem_id, weight)``, as its own ``weight`` too: a stem is kept where
    it is above 0. A stem that was not trained on has none, and is left out.
    """
    import pyarrow as pa

    from raysep.decision.verdicts import METADATA, summary

    weights = {row["stem_id"]: row["weight"] for row in descent.to_pylist()}
    rows = [_moved(row, weights.get(row["stem_id"])) for row in decision.to_pylist()]
    schema = decision.schema
    if COLUMN not in schema.names:
        schema = schema.append(pa.field(COLUMN, pa.float64()))
    told, kept = summary(decision), sum(row["keep"] for row in rows)
    told["counts"] |= {"kept": kept, "removed": len(rows) - kept, "other_label": 0}
    told |= {"removed_share": 1 - kept / max(1, len(rows)), "first_other_label": None, "none_removed": None}
    metadata = {**(decision.schema.metadata or {}), METADATA: json.dumps(told).encode()}
    return pa.Table.from_pylist(rows, schema=schema).replace_schema_metadata(metadata)


def _moved(row: dict[str, Any], weight: float | None) -> dict[str, Any]:
    if row["outcome"] == Outcome.FAILED:
        weight = None
    word = "not trained on" if weight is None else f"drawn {weight:.2f} times as often"
    kept = {"keep": bool(weight), "weight": weight or 0.0, COLUMN: weight, "label": None}
    return row | kept | {"reason": f"descent: {word}; {row['reason']}"}


DESCEND = Handling(
    "descend",
    "every stem is drawn by the weight that descent on the reference's loss found for it",
    descend,
    table="descent.parquet",
    made_by="raysep descend RUN",
    join=with_weights,
)
