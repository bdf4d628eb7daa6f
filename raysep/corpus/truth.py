"""The truth about a simulated corpus: one row per stem. Nothing that cleans may import this module.

Columns: ``stem_id, track, stem, kind`` (``"clean"`` for an untouched stem), ``severity`` (empty for a clean one),
``parameters`` (a JSON object as text: what exactly was done).
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from raysep.corpus import storage
from raysep.corpus.names import normal
from raysep.corpus.tables import marked, parquet_bytes
from raysep.errors import BadInput

CLEAN = "clean"
MAKER = "contaminate"  # whose tables these are: it may replace them
SCHEMA = pa.schema([(name, pa.string()) for name in ("stem_id", "track", "stem", "kind", "severity", "parameters")])


def write(uri: str, rows: Iterable[dict]) -> None:
    """Rows as dicts with exactly the columns above, in any order; the same rows give the same bytes."""
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: row["stem_id"]), schema=SCHEMA)
    storage.write_bytes(uri, parquet_bytes(marked(table, MAKER)))


def read(uri: str) -> list[dict]:
    """The rows in ``stem_id`` order. Raises ``BadInput`` when there is no such table, or it holds something else."""
    try:
        rows = storage.read_table(uri).select(SCHEMA.names).to_pylist()
    except FileNotFoundError as error:
        raise BadInput(f"{uri}: no such truth table; leave the option out for a corpus without known faults") from error
    except (pa.ArrowInvalid, KeyError) as error:
        raise BadInput(f"{uri}: not a truth table ({error}); its columns are {', '.join(SCHEMA.names)}") from error
    return [row | {key: normal(row[key]) for key in ("stem_id", "track", "stem")} for row in rows]
