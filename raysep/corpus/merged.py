"""One long table of many that are in order each: what lies on the disk is merged, and a group of rows is all that is held."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raysep.corpus import storage
from raysep.corpus.columns import ROWS, Columns, columns_of_file

AT_ONCE = 1 << 10  # rows that are read of one of the tables at least


def merged(tables: Iterable[pa.Table], name: str, uri: str, rows: int = ROWS) -> Columns:
    """All rows of the tables by their column ``name``, in which each is in order; equal ones stay as they come.

    Written to ``uri`` as a Parquet file of groups of so many ``rows``, and read back by column. What a table lacks of the columns
    of others is null. The file says of itself what the table that says most does: one of failures alone describes nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        parts, names = _spilled(tables, name, Path(folder))
        file = Path(folder) / "merged.parquet"
        schema = pa.unify_schemas([part.schema.remove_metadata() for part in parts])
        told = max((part.schema.metadata or {} for part in parts), key=lambda each: len(each.get(b"raysep", b"")))
        texts = [field.name for field in schema if pa.types.is_string(field.type)]  # numbers seldom repeat
        with pq.ParquetWriter(file, schema := schema.with_metadata(told), use_dictionary=texts) as writer:
            for group in _groups(parts, places(names), schema, rows):
                writer.write_table(group, row_group_size=rows)
        storage.upload(file, uri)
    return columns_of_file(uri)


class _Part:
    """A table that lies on the disk."""

    def __init__(self, table: pa.Table, file: Path) -> None:
        self.schema, self._file = table.schema, file
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks(), max_chunksize=AT_ONCE)

    def rows(self, first: int, last: int) -> pa.Table:
        """From ``first`` to before ``last``, of which there is one at least."""
        begin = first // AT_ONCE
        with pa.OSFile(str(self._file)) as source:
            reader = pa.ipc.open_file(source)
            batches = [reader.get_batch(number) for number in range(begin, (last - 1) // AT_ONCE + 1)]
        return pa.Table.from_batches(batches).slice(first - begin * AT_ONCE, last - first)


def _spilled(tables: Iterable[pa.Table], name: str, folder: Path) -> tuple[list[_Part], list[pa.ChunkedArray]]:
    """The tables on the disk, and of each the column ``name``."""
    parts, names = [], []
    for number, table in enumerate(tables):
        parts.append(_Part(table, folder / f"{number}.arrow"))
        names.append(pa.chunked_array([table[name].combine_chunks()]))
    return parts, names


def places(names: list[pa.ChunkedArray]) -> list[np.ndarray]:
    """Which row of all in their order each row of each table is."""
    every = pa.chunked_array([chunk for column in names for chunk in column.chunks], pa.string())
    order = pc.sort_indices(every).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return np.split(place, np.cumsum([len(column) for column in names])[:-1])


def _groups(parts: list[_Part], of_parts: list[np.ndarray], schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """The rows in their order, so many at a time."""
    for first in range(0, sum(map(len, of_parts)), rows):
        found, place = [schema.empty_table()], []
        for part, own in zip(parts, of_parts, strict=True):
            begin, end = np.searchsorted(own, (first, first + rows)).tolist()
            if begin < end:
                found.append(part.rows(begin, end).replace_schema_metadata(schema.metadata))
                place.append(own[begin:end])
        group = pa.concat_tables(found, promote_options="default")
        yield group.take(np.argsort(np.concatenate(place))).cast(schema)
