from __future__ import annotations

import unicodedata

import pytest

from raysep.corpus.names import folded, normal, unmatched


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
