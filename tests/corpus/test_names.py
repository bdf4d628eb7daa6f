from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.names import fitting, folded, normal, unmatched


@pytest.mark.parametrize("name", ["Für Elise", "Ålesund", "夜に駆ける", "가나다", "plain"])
def test_every_form_of_a_name_is_one_name(name):
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    assert {normal(form) for form in forms} == {unicodedata.normalize("NFC", name)}
    assert {folded(form.upper()) for form in forms} == {folded(name)}


def test_what_is_named_and_not_there():
    assert unmatched(["a", "b", "c"], {"b"}, "the decision", "the corpus") == (
        "2 of 3 stems named by the decision are not in the corpus, first a"
    )
    assert unmatched(["b"], {"b": 1}, "x", "y") == unmatched([], [], "x", "y") == ""


PARTS = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=400)


@given(PARTS, PARTS)
def test_a_path_fits_a_file_system_and_stays_as_it_is_where_it_does_already(one, other):
    path = f"{one}/{other}"
    cut = fitting(path)
    assert all(0 < len(part.encode()) <= 255 for part in cut.split("/"))
    assert (cut == path) == all(len(part.encode()) <= 255 for part in (one, other))
    if one != other:
        assert fitting(one) != fitting(other)
