from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysep.corpus import storage
from raysep.corpus.columns import blocks, columns_of_file


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(0)
    columns = {"name": [f"n{k:02d}" for k in range(50)], "a": rng.standard_normal(50), "b": list(range(50))}
    return pa.table(columns).replace_schema_metadata({"made": "here"})


def test_a_file_has_the_columns_of_its_table(table, tmp_path):
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=16)
    found = columns_of_file(str(tmp_path / "t.parquet"))
    assert len(found) == 50
    assert found.column_names == table.column_names
    assert found.schema.metadata == table.schema.metadata
    for name in table.column_names:
        assert found[name].to_pylist() == table[name].to_pylist()
    with pytest.raises(KeyError):
        found["c"]


@pytest.mark.parametrize("rows", [7, 16, 50, 1000])
def test_blocks_are_the_rows_in_their_order_held_or_read(table, tmp_path, rows):
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=16)
    for source in (table, columns_of_file(str(tmp_path / "t.parquet"))):
        found = list(blocks(source, ["b", "name"], rows))
        assert max(map(len, found)) <= rows
        assert pa.concat_tables(found).to_pylist() == table.select(["b", "name"]).to_pylist()


def test_there_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.parquet"):
        columns_of_file(str(tmp_path / "none.parquet"))


def test_a_file_of_a_store_is_read_from_a_copy(table, tmp_path, monkeypatch):
    pq.write_table(table, tmp_path / "t.parquet")
    opened = []

    def open_whole(uri):
        opened.append(uri)
        return open(tmp_path / "t.parquet", "rb")

    monkeypatch.setattr(storage, "open_whole", open_whole)
    found = columns_of_file("s3://bucket/t.parquet")
    assert [found[name].to_pylist() for name in table.column_names] == [c.to_pylist() for c in table.columns]
    assert opened == ["s3://bucket/t.parquet"]
