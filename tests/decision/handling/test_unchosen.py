"""Where nothing tells what a removed stem is, that is said; where something does, or nothing is removed, nothing is."""

from __future__ import annotations

import pyarrow as pa
import pytest

from raysep.decision import handling
from raysep.decision.handling.unchosen import NO_HARM_KNOWN
from raysep.decision.other_label import Evidence

STEMS = pa.table({"stem_id": ["A/bass"]})
NO_EVIDENCE = Evidence((), {})


def row(keep=False, **about) -> dict:
    return {"keep": keep, "outcome": "scored", "label": None, "harm": None, "verdict": None} | about


def said(name: str, *rows: dict) -> str:
    return handling.unchosen(name, {str(k): each for k, each in enumerate(rows)}, STEMS, NO_EVIDENCE)


@pytest.mark.parametrize("name", handling.HANDLINGS)
def test_only_a_handling_that_chooses_has_anything_to_say(name):
    told = said(name, row())
    assert ("used under another label" in told) == (name in ("relabel", "auto"))
    assert (NO_HARM_KNOWN in told) == (name in ("spare", "auto"))
    assert ("as drop does" in told) == (name == "auto")


@pytest.mark.parametrize(
    "rows",
    [
        [row(keep=True)],
        [row(outcome="failed"), row(outcome="silent")],
        [row(verdict="remove")],
        [row(label="drums", harm=0.9), row(harm=0.9)],
    ],
    ids=["nothing removed", "nothing that could be heard", "a person's word", "both are known"],
)
def test_nothing_is_said_where_there_is_nothing_to_choose_or_it_was_chosen(rows):
    assert said("auto", *rows) == ""


def test_what_is_known_of_one_is_not_denied():
    by_harm = said("auto", row(harm=0.9))
    assert "used under another label" in by_harm
    assert NO_HARM_KNOWN not in by_harm
    assert said("auto", row(label="drums")) == ""  # what is used under its own label is kept for no harm anyway
    assert said("auto", row(label="drums"), row()) == f"none is kept for doing no harm: {NO_HARM_KNOWN}"
