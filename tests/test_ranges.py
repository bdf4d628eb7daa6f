"""Ranges as the types of settings have them: what they hold, what they say, and how a dataclass is checked by them."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.ranges import About, AsIn, Elsewhere, Range, Refusal, Rule, fields_of, refusals

NUMBERS = st.floats(-3, 3) | st.sampled_from([0.0, 1.0, math.inf, -math.inf])


@pytest.mark.parametrize(
    ("range_", "words"),
    [
        (Range.least(1), "1 or more"),
        (Range.least(0, most=1), "from 0 to 1"),
        (Range.least(0, below=1), "from 0 to below 1"),
        (Range.above(0), "above 0"),
        (Range.above(0, most=1), "above 0, at most 1"),
        (Range.above(0, below=0.1), "above 0, below 0.1"),
        (Range.between(0, 1), "between 0 and 1"),
        (Range.choice("a", "b"), "a or b"),
        (Range.choice("a", "b", "c"), "a, b or c"),
        (Range.choice("a", "b", "c", "d"), "one of a, b, c, d"),
        (Range.choices("a", "b"), "from a, b, each at most once"),
        (Range.each(Range.least(0)), "0 or more"),
        (Range.least(5, words="five at least"), "five at least"),
    ],
)
def test_a_range_says_what_is_allowed(range_, words):
    assert range_.words == words


@given(NUMBERS)
def test_an_interval_holds_what_lies_in_it_and_its_ends_where_it_has_them(value):
    assert Range.least(0).holds(value) == (value >= 0)
    assert Range.least(0, most=1).holds(value) == (0 <= value <= 1)
    assert Range.least(0, below=1).holds(value) == (0 <= value < 1)
    assert Range.above(0).holds(value) == (value > 0)
    assert Range.above(0, most=1).holds(value) == (0 < value <= 1)
    assert Range.between(0, 1).holds(value) == (0 < value < 1)


@pytest.mark.parametrize("range_", [Range.least(0), Range.above(0), Range.between(0, 1), Range.least(0, most=1)])
def test_not_a_number_lies_in_no_interval(range_):
    assert not range_.holds(math.nan)


@given(st.lists(st.sampled_from("abcd")))
def test_choices_are_known_names_each_once(names):
    allowed = set(names) <= set("abc") and len(set(names)) == len(names)
    assert Range.choices("a", "b", "c").holds(tuple(names)) == allowed
    assert Range.each(Range.choice("a", "b", "c")).holds(tuple(names)) == (set(names) <= set("abc"))


@dataclass(frozen=True)
class Inner:
    low: Annotated[int, Range.least(0), About("the lower end")] = 0
    high: Annotated[
        int,
        Range.least(1),
        Rule("above low", lambda s: s.high > s.low, lambda s: f"above {s.low}"),
        About("the upper end"),
    ] = 1
    plain: str = ""


@dataclass(frozen=True)
class Outer:
    name: Annotated[str, Range.choice("a", "b"), About("which")] = "a"
    share: Annotated[float | None, Range.between(0, 1), About("how much")] = None
    low: Annotated[int, AsIn(Inner), About("as there")] = 0
    letters: Annotated[str, Elsewhere("or another", "string:ascii_letters")] = ""
    inner: Inner = field(default_factory=Inner)


def test_what_a_type_says_is_read_off_it():
    fields = {f.name: f for f in fields_of(Outer)}
    assert list(fields) == ["name", "share", "low", "letters", "inner"]
    assert (fields["share"].kind, fields["inner"].kind) == (float | None, Inner)
    assert (fields["share"].about, fields["share"].allowed) == ("how much", "between 0 and 1")
    assert fields["low"].allowed == "0 or more"
    assert fields["letters"].allowed.startswith("a, b, c")
    assert fields["letters"].allowed.endswith("Y, Z, or another")
    inner = {f.name: f for f in fields_of(Inner)}
    assert inner["high"].allowed == "1 or more; above low"
    assert (inner["plain"].about, inner["plain"].allowed) == ("", "")


def test_what_is_in_its_range_is_not_refused():
    assert list(refusals(Outer())) == []
    assert list(refusals(Outer(low=-1, letters="anything"))) == []  # that is checked elsewhere


def test_refusals_come_in_order_with_the_names_of_their_sections():
    found = list(refusals(Outer(name="c", share=2.0, inner=Inner(low=5, high=0))))
    assert found == [
        Refusal("name", "c", "a or b", ("a", "b")),
        Refusal("share", 2.0, "between 0 and 1"),
        Refusal("inner.high", 0, "1 or more"),
        Refusal("inner.high", 0, "above 5"),
    ]


def test_a_list_of_names_is_imported_when_its_words_are_asked_for():
    place = Elsewhere("or another", "no_such_module:NAMES")
    assert "no_such_module" not in sys.modules
    with pytest.raises(ImportError):
        _ = place.words
