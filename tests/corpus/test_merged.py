from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from raysep.corpus import merged as module
from raysep.corpus import storage
from raysep.corpus.merged import merged

LISTS = pa.list_(pa.float64())


def part(names: list[str], number: int, has_all: bool) -> pa.Table:
    """In order, with where each row came from; some tables lack a column."""
    rows = [f"{number}/{k}" for k in range(len(names))]
    table = pa.table({"name": pa.array(sorted(names), pa.string()), "row": pa.array(rows, pa.string())})
    if has_all:
        values = pa.array([[1.0 * number, k] if k % 2 else None for k in range(len(names))], LISTS)
        table = table.append_column("values", values)
    return table.replace_schema_metadata({"raysep": "all" if has_all else ""})


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.lists(st.text("abc", max_size=3), max_size=9), st.booleans()), min_size=1, max_size=5))
def test_it_is_what_sorting_all_of_them_gives(given_parts):
    parts = [part(names, number, has) for number, (names, has) in enumerate(given_parts)]
    whole = pa.concat_tables([table.replace_schema_metadata() for table in parts], promote_options="default")
    rows = whole.take(np.argsort(np.array(whole["name"].to_pylist(), dtype=object), kind="stable"))
    with tempfile.TemporaryDirectory() as folder:
        uri = str(Path(folder) / "all.parquet")
        found = merged(parts, "name", uri, rows=4)
        read = storage.read_table(uri)
        assert read.select(rows.column_names).to_pylist() == rows.to_pylist()
        assert [found[name].to_pylist() for name in rows.column_names] == [c.to_pylist() for c in rows.columns]
        told = b"all" if any(has for _, has in given_parts) else b""
        assert (read.schema.metadata or {}).get(b"raysep", b"") == told


def test_rows_are_read_across_what_is_read_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "AT_ONCE", 3)
    parts = [part([f"{k:02d}" for k in range(first, 40, 2)], first, True) for first in (0, 1)]
    found = merged(parts, "name", str(tmp_path / "all.parquet"), rows=7)
    assert found["name"].to_pylist() == [f"{k:02d}" for k in range(40)]
    assert found["row"].to_pylist() == [f"{k % 2}/{k // 2}" for k in range(40)]
