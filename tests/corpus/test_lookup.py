from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.lookup import Texts, row_of, texts

NAMES = st.lists(st.text(max_size=6), max_size=60)


@given(NAMES, NAMES)
def test_a_name_has_the_row_that_a_dictionary_gives_it(names, others):
    found, plain = row_of(pa.array(names, pa.string())), {name: row for row, name in enumerate(names)}
    assert {name: found.get(name) for name in names + others} == {name: plain.get(name) for name in names + others}
    assert [name in found for name in others] == [name in plain for name in others]
    assert list(found) == list(plain)
    assert len(found) == len(plain)


def test_names_of_one_code_are_told_apart(monkeypatch):
    monkeypatch.setattr("raysep.corpus.lookup.hash", lambda name: 7, raising=False)
    found = row_of(pa.chunked_array([["a"], ["b", "c"]], pa.string()))
    assert dict(found) == {"a": 0, "b": 1, "c": 2}


def test_the_text_of_a_name_is_that_of_its_row():
    labels = Texts(pa.chunked_array([["x", "y"], ["z"]]), pa.chunked_array([["bass"], ["drums", "vocals"]]))
    assert dict(labels) == {"x": "bass", "y": "drums", "z": "vocals"}
    assert labels.get("w") is None
    assert len(labels) == 3


def test_texts_come_some_at_a_time(monkeypatch):
    monkeypatch.setattr("raysep.corpus.lookup.AT_ONCE", 2)
    names = [str(number) for number in range(7)]
    assert list(texts(pa.array(names))) == names
