"""Tables as the bytes of a file: Parquet, or CSV as a spreadsheet opens it."""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

CSV = ".csv"
PARQUET = ".parquet"
HELD_BYTES = 64 << 20  # of a table that becomes a file in memory


MAKER = b"raysep.by"


def made_by(uri: str) -> str:
    """The command that left this Parquet file, as ``marked`` says; "" for any other file and for none."""
    import pyarrow as pa

    from raysep.corpus import storage

    try:
        metadata = storage.read_table(uri).schema.metadata or {}
    except (OSError, pa.ArrowInvalid):
        return ""
    return metadata.get(MAKER, b"").decode()


def marked(table: pa.Table, by: str) -> pa.Table:
    """The table with the name of the command that makes it, which may replace it."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), MAKER: by.encode()})


def read_table(uri: str, types: pa.Schema) -> pa.Table:
    """A table by its ending; a CSV's columns are of ``types``, as far as these name them, and an empty cell is null.

    Raises ``FileNotFoundError``, ``pyarrow.ArrowInvalid``, and ``BadInput`` for what no CSV can be.
    """
    from raysep.corpus import sheets, storage

    if not uri.lower().endswith(CSV):
        return storage.read_table(uri)
    from pyarrow import BufferReader
    from pyarrow import csv as reader

    options = reader.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""])
    settings = reader.ReadOptions(use_threads=False)
    quoted = reader.ParseOptions(newlines_in_values=True)
    plain = sheets.as_plain(sheets.text_of(uri, uri), uri, types.names)
    return reader.read_csv(BufferReader(plain), settings, quoted, options)


def file_bytes(table: pa.Table, uri: str) -> bytes:
    """The table as the ending of ``uri`` says: CSV for ``.csv``, else Parquet."""
    return csv_bytes(table) if uri.lower().endswith(CSV) else parquet_bytes(table)


def parquet_bytes(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def write_parquet(table: pa.Table, uri: str) -> None:
    """Likewise, written at once or not at all; a large one by way of the disk, so that it is not in memory a second time."""
    import pyarrow.parquet as pq

    from raysep.corpus import storage

    if table.nbytes <= HELD_BYTES:
        storage.write_bytes(uri, parquet_bytes(table))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "table.parquet"
        pq.write_table(table, file)
        storage.upload(file, uri)


def csv_bytes(table: pa.Table) -> bytes:
    """A header, then a line each; a number that there is none of is an empty cell, a list is JSON."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows([[_cell(value) for value in row.values()] for row in table.to_pylist()])
    return stream.getvalue().encode()


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else "" if finite(value) is None else value


def finite(value: Any) -> Any:
    """The same with None for numbers that neither JSON nor a spreadsheet has a form for."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
