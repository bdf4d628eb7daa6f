from __future__ import annotations

import pytest

from raysep.corpus.labels import parse
from raysep.errors import BadInput


def test_labels_and_sums():
    assert parse("vocals, drums").names == ("vocals", "drums")
    assert parse("vocals,drums").sums == {}
    found = parse("vocals,guitar + piano=other,lead=choir")
    assert found.names == ("vocals", "other", "choir")
    assert found.sums == {"other": ("guitar", "piano"), "choir": ("lead",)}
    assert parse(["vocals", "a+b=other"]) == parse("vocals,a+b=other")
    assert parse("other=other").sums == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("vocals,vocals", "the label 'vocals' twice"),
        ("a+b=c,a", "the stem 'a' twice"),
        ("a+b", "'a\\+b' is no label; write"),
        ("a,,b", "'' is no label"),
        ("a=", "'a=' is no label"),
        ("Vocals,vocals", "the label 'vocals' twice"),
        ("VOCALS+a=b,vocals", "the stem 'vocals' twice"),
        ("a=b=c", "'a=b=c' is no label"),
        ("vocals;drums", "'vocals;drums' is no label"),
        ("../a,b", "'\\.\\./a' is no label"),
        ("=b", "'=b' is no label"),
    ],
)
def test_what_is_no_label(text, told):
    with pytest.raises(BadInput, match=f"^--labels .*{told}"):
        parse(text)
