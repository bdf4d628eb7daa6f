from __future__ import annotations

import pytest

from raysep.commands.benchmark.sources import ARMS, Own, Rendered, arms_for, source_of
from raysep.errors import BadInput

NONE = dict.fromkeys(("--clean", "--reference", "--test", "--truth", "--layout"))
MADE = dict.fromkeys(("--songs", "--reference-songs"))
OWN = {"--clean": None, "--reference": "r", "--test": "t", "--truth": "truth", "--layout": None}


def test_songs_are_made_unless_there_is_a_corpus():
    assert source_of(None, NONE, "small", "bleeding", MADE | {"--songs": 30}) == Rendered("small", "bleeding", 30)
    assert source_of("c", OWN, "tiny", "mixed", MADE) == Own("c", "r", "t", "truth")


@pytest.mark.parametrize(
    ("corpus", "own", "made", "words"),
    [
        (None, {"--truth": "x"}, {}, "--truth: of a corpus of your own: give --corpus"),
        ("c", OWN, {"--songs": 3}, "--songs: of songs that are made"),
        ("c", {"--reference": "r"}, {}, "--corpus c: needs --test, --truth too"),
    ],
)
def test_options_that_do_not_go_together_are_named(corpus, own, made, words):
    with pytest.raises(BadInput, match=words):
        source_of(corpus, NONE | own, "tiny", "mixed", MADE | made)


def test_clean_training_is_among_the_arms_where_there_is_something_clean():
    assert arms_for(Rendered()) == ARMS
    assert set(ARMS) - set(arms_for(Own("c", "r", "t", "truth"))) == {"clean"}
    assert arms_for(Own("c", "r", "t", "truth", "clean")) == ARMS
