from __future__ import annotations

import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq

from raysep.corpus import storage
from raysep.corpus.tables import csv_bytes, file_bytes, finite, made_by, marked

NAN = float("nan")


def test_the_csv_opens_as_a_table():
    rows = [
        {"track": "A, the first", "z": NAN, "n": 1.5},
        {"track": "é", "z": 2.0, "n": None, "text": 'no "audio"\nhere'},
    ]
    table = pa.Table.from_pylist(
        rows, schema=pa.schema([("track", "string"), ("z", "double"), ("n", "double"), ("text", "string")])
    )
    found = list(csv.DictReader(io.StringIO(csv_bytes(table).decode())))
    assert found == [
        {"track": "A, the first", "z": "", "n": "1.5", "text": ""},
        {"track": "é", "z": "2.0", "n": "", "text": 'no "audio"\nhere'},
    ]


def test_the_ending_says_which_form_it_is():
    table = pa.table({"a": [1]})
    assert file_bytes(table, "x.CSV") == b"a\n1\n"
    assert pq.read_table(io.BytesIO(file_bytes(table, "x.parquet"))) == table


def test_a_table_says_which_command_made_it(tmp_path):
    uri = str(tmp_path / "t.parquet")
    assert made_by(uri) == ""
    storage.write_bytes(uri, file_bytes(marked(pa.table({"a": [1]}).replace_schema_metadata({"b": "c"}), "scan"), uri))
    assert made_by(uri) == "scan"
    assert pq.read_table(uri).schema.metadata[b"b"] == b"c"
    (tmp_path / "t.parquet").write_text("no table")
    assert made_by(uri) == ""


def test_what_is_not_finite_is_none():
    assert finite({"a": [NAN, 1.0], "b": (float("inf"), "x")}) == {"a": [None, 1.0], "b": [None, "x"]}
