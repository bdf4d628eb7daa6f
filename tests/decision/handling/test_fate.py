"""What becomes of one stem, in words."""

from __future__ import annotations

import pytest

from raysep.decision.handling.fate import fate


@pytest.mark.parametrize(
    ("keep", "used_as", "words"),
    [
        (True, "bass", "kept"),
        (False, None, "removed"),
        (False, "drums", "used as drums"),
        (False, "bass", "used all the same"),
        (True, None, "left out all the same"),
        (True, "drums", "used as drums"),
    ],
)
def test_what_a_handling_does_otherwise_is_said(keep, used_as, words):
    row = {"stem_id": "t/bass", "stem": "bass", "keep": keep}
    assert fate(row, {"t/bass": used_as} if used_as else {}) == words
    assert fate(row, None) == ("kept" if keep else "removed")  # a run that does not say what it uses


@pytest.mark.parametrize(
    "spans", [[(0.5, 1.0), (2.0, 3.0)], [{"start": 0.5, "stop": 1.0}, {"start": 2.0, "stop": 3.0}]]
)
def test_the_seconds_that_are_left_out_are_counted_however_they_are_written(spans):
    row = {"stem_id": "t/bass", "stem": "bass", "keep": False, "spans": spans}
    assert fate(row, {"t/bass": "bass"}) == "used without the 1.5 s that are wrong"
    assert fate(row, {}) == "removed"
