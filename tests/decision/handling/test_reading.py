from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus import lookup, manifest, storage
from raysep.corpus.tables import csv_bytes
from raysep.decision.handling import reading
from raysep.decision.handling.reading import read_decision, rows_of
from raysep.errors import BadInput
from raysep.rundir import table_bytes


def write_decision(path, rows: list[dict]) -> str:
    storage.write_bytes(str(path), table_bytes(pa.Table.from_pylist(rows)))
    return str(path)


ROWS = [
    {"stem_id": "a", "keep": True, "weight": 0.9, "spans": [{"start": 1.0, "stop": 2.5}, {"start": 4, "stop": 5}]},
    {"stem_id": "b", "keep": False, "weight": 0.4, "spans": None},
    {"stem_id": "c", "keep": True, "weight": 1.0, "spans": []},
    {"stem_id": "d", "keep": False, "weight": None, "spans": None},
]


def test_weights_and_stretches_are_those_of_the_decision(tmp_path):
    decision = read_decision(write_decision(tmp_path / "d.parquet", ROWS))
    assert {i: (row["keep"], row["weight"]) for i, row in decision.items()} == {
        "a": (True, 0.9),
        "b": (False, 0.4),
        "c": (True, 1.0),
        "d": (False, 0.0),
    }
    assert {i: row["spans"] for i, row in decision.items() if row["spans"]} == {"a": ((1.0, 2.5), (4.0, 5.0))}


def test_a_table_may_have_no_spans_and_any_further_column(tmp_path):
    plain = [{name: row[name] for name in ("stem_id", "keep", "weight")} | {"mood": "sad"} for row in ROWS]
    decision = read_decision(write_decision(tmp_path / "plain.parquet", plain))
    assert all(row["spans"] == () and row["mood"] == "sad" for row in decision.values())
    assert rows_of(pa.Table.from_pylist(plain)) == decision


def test_a_decision_as_csv_is_read_like_the_table(tmp_path):
    rows = [{"stem_id": f"00{k}", "keep": k != 1, "weight": 0.5 * k, "label": None if k else "bass"} for k in range(3)]
    table = pa.Table.from_pylist(rows)
    (tmp_path / "d.csv").write_bytes(csv_bytes(table))
    found = read_decision(str(tmp_path / "d.csv"))
    assert found == rows_of(table)
    (tmp_path / "words.csv").write_text("stem_id,keep,weight\na,perhaps,1\n")
    with pytest.raises(BadInput, match=r"words\.csv: no decision table"):
        read_decision(str(tmp_path / "words.csv"))


@pytest.mark.parametrize(
    "saved",
    [
        lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: f"sep=,\n{text}".encode(),
        lambda text: text.replace("True", "TRUE").replace("False", "FALSE").replace(",", ", ").encode(),
    ],
    ids=["Windows", "semicolons", "Unicode text", "Excel's first line", "capitals and blanks"],
)
def test_a_decision_is_read_however_a_spreadsheet_saves_it(tmp_path, saved):
    rows = [{"stem_id": f"Song {k}/bass", "keep": k != 1, "weight": 0.5 * k} for k in range(3)]
    (tmp_path / "d.csv").write_bytes(saved(csv_bytes(pa.Table.from_pylist(rows)).decode()))
    assert read_decision(str(tmp_path / "d.csv")) == rows_of(pa.Table.from_pylist(rows))


def test_a_decision_that_is_cut_off_in_a_line_is_refused(tmp_path):
    (tmp_path / "d.csv").write_text("stem_id,keep,weight,spans\na,True,1,\nb,True,1\n")
    with pytest.raises(BadInput, match=r"d\.csv, line 3: 3 cells where the header has 4"):
        read_decision(str(tmp_path / "d.csv"))


def test_what_is_no_decision_is_named(tmp_path, make_stems):
    (tmp_path / "notes.parquet").write_bytes(b"not a table")
    manifest.write(str(tmp_path / "m.parquet"), make_stems(["A"]))
    write_decision(tmp_path / "odd.parquet", [{"stem_id": "a", "keep": True, "weight": 1.0, "spans": [3.0]}])
    write_decision(tmp_path / "words.parquet", [{"stem_id": "a", "keep": True, "weight": "much"}])
    for name in ("absent.parquet", "notes.parquet", "m.parquet", "odd.parquet", "words.parquet"):
        with pytest.raises(BadInput, match=rf"--decision .*{name}: no decision table"):
            read_decision(str(tmp_path / name))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spans": [{"start": 2.0, "stop": 2.0}]}, r"span \(2\.0, 2\.0\) of a: start must be"),
        ({"spans": [{"start": -1.0, "stop": 2.0}]}, r"span \(-1\.0, 2\.0\)"),
        ({"spans": [{"start": 1.0, "stop": float("nan")}]}, r"span \(1\.0, nan\)"),
        ({"weight": -0.5}, r"weight -0\.5 of a"),
        ({"weight": float("nan")}, "weight nan of a"),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(tmp_path, change, words):
    row = {"stem_id": "a", "keep": True, "weight": 1.0} | change
    with pytest.raises(BadInput, match=words):
        read_decision(write_decision(tmp_path / "d.parquet", [row]))


@pytest.mark.parametrize("keep", [[1, 0], [1.0, 0.0], ["true", "false"], ["TRUE", "False"], ["1", "0"]])
def test_a_word_for_no_is_a_no_in_every_type(tmp_path, keep):
    rows = [
        {"stem_id": name, "keep": value, "weight": float(k == 0)}
        for k, (name, value) in enumerate(zip("ab", keep, strict=True))
    ]
    decision = read_decision(write_decision(tmp_path / "d.parquet", rows))
    assert [row["keep"] for row in decision.values()] == [True, False]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("a", True), ("a", False)], "several rows are of 'a'"),
        ([("u\u0308", True), ("\u00fc", True)], "several rows are of"),
        ([("a", True), (None, False)], "stem_id: a row has none"),
        ([("a", True), ("b", None)], "keep: a stem has none"),
        ([("a", 1.0), ("b", float("nan"))], "keep: nan is neither 1 nor 0"),
        ([("a", 1), ("b", 2)], "keep: 2 is neither 1 nor 0"),
        ([("a", "yes"), ("b", "no")], "Failed to parse value: no"),
    ],
)
def test_a_table_that_says_two_things_or_none_of_a_stem_is_refused(tmp_path, rows, told):
    table = [{"stem_id": name, "keep": keep, "weight": 1.0} for name, keep in rows]
    with pytest.raises(BadInput, match=rf"d\.parquet: no decision table .*{told}"):
        read_decision(write_decision(tmp_path / "d.parquet", table))


def ten() -> tuple[reading.Rows, dict[str, dict]]:
    """Ten rows, and what stands in them."""
    plain = {f"stem-{k}": {"stem_id": f"stem-{k}", "keep": k % 3 > 0, "weight": k / 10, "spans": ()} for k in range(10)}
    return rows_of(pa.Table.from_pylist([row | {"spans": None} for row in plain.values()])), plain


@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 5))
def test_a_row_is_the_same_whenever_it_is_asked_for_and_looked_at(asked, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "AT_ONCE", at_once)
        found, plain = ten()
        held = {}
        for name in (f"stem-{k}" for k in asked):
            assert (name in found) == (name in plain)
            if name in plain:
                held[name] = found[name]
                assert held[name] == plain[name]
        assert held == {name: plain[name] for name in held}
        assert dict(found.items()) == plain


def test_in_the_order_of_the_table_a_block_of_rows_is_made_at_a_time(monkeypatch):
    monkeypatch.setattr(reading, "AT_ONCE", 4)
    monkeypatch.setattr(reading, "NEAR", 2)
    found, plain = ten()
    looked_for: list[object] = []
    find = lookup._Rows._find
    monkeypatch.setattr(lookup._Rows, "_find", lambda self, name: looked_for.append(name) or find(self, name))
    for _ in range(2):
        assert [found[name]["keep"] for name in plain] == [row["keep"] for row in plain.values()]
    # Two are looked for by themselves, until it is clear in which order they come; the second time one more, as that one breaks it.
    assert looked_for == [f"stem-{k}" for k in (0, 1, 5, 9, 0, 1, 2, 6)]


def test_in_any_other_order_no_block_is_made(monkeypatch):
    monkeypatch.setattr(reading, "NEAR", 2)
    found, plain = ten()
    monkeypatch.setattr(reading, "_rows", lambda columns: pytest.fail("a block"))
    asked = [f"stem-{k}" for k in (7, 7, 2, 5, 0, 9, 4, 4, 1, 8)]
    assert [found[name]["keep"] for name in asked] == [plain[name]["keep"] for name in asked]
