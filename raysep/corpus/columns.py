"""A wide table of which a column is read when it is asked for: a million stems with a hundred numbers each are a gigabyte.

``columns_of_file(uri)`` has what is used of an Arrow table where such a table is judged: ``table[name]``, ``len(table)``, its
``schema`` and its ``column_names``. What may be either is given to ``blocks``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raysep.corpus import storage

ROWS = 1 << 16  # of a group of rows in a file that is read so
BLOCK = 1 << 13  # rows that are held of all columns at once


class Columns:
    """The table of a Parquet file, which is open as long as this is. Raises ``pyarrow.ArrowInvalid`` for another file."""

    def __init__(self, file: Any) -> None:
        self._file = pq.ParquetFile(file, buffer_size=storage.BUFFER_BYTES, pre_buffer=False)
        self.schema = self._file.schema_arrow
        self.column_names: list[str] = self.schema.names

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        if name not in self.column_names:
            raise KeyError(name)
        return self._file.read([name], use_threads=False)[name]

    def blocks(self, names: Sequence[str], rows: int = BLOCK) -> Iterator[pa.Table]:
        """The rows in their order, some at a time, with these columns."""
        for batch in self._file.iter_batches(rows, columns=list(names), use_threads=False):
            yield pa.Table.from_batches([batch]).select(list(names))


def columns_of_file(uri: str) -> Columns:
    """Of a file of this machine as it lies there; of a store's from a copy, which is there as long as this is.

    Raises ``FileNotFoundError``, ``IsADirectoryError``, ``pyarrow.ArrowInvalid``.
    """
    if not storage.is_remote(uri):
        if (kind := storage.kind(uri)) != "file":
            raise IsADirectoryError("it is a directory") if kind else FileNotFoundError(f"{uri}: no such file")
        return Columns(storage.absolute(uri))
    held = tempfile.TemporaryFile()  # noqa: SIM115 - without a name: it is gone when nobody has it open any more
    with storage.open_whole(uri) as source:
        while data := source.read(storage.HELD_BYTES):
            held.write(data)
    held.seek(0)
    return Columns(held)


def blocks(table: Any, names: Sequence[str], rows: int = BLOCK) -> Iterator[pa.Table]:
    """Likewise, of a table that is held, too."""
    if isinstance(table, Columns):
        yield from table.blocks(names, rows)
        return
    chosen = table.select(list(names))
    for first in range(0, len(chosen), rows):
        yield chosen.slice(first, rows)
