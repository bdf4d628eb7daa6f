from __future__ import annotations

import re

import pytest

from raysep.report.data import Outline, Place, Take
from raysep.report.scope import clock, scope, time_ticks, whereabouts

OUTLINE = Outline([-0.5, -0.25], [0.5, 0.25], 10.0)


def test_the_mark_lies_where_it_is_in_time():
    shown = scope(Take("Stem", "", 20.0, OUTLINE, b"png", (("1 kHz", 0.5),), (22.0, 25.0)), "<song>")
    assert re.search(r'class="marked" x="20.00%" y="2" width="30.00%"', shown)
    assert "Marked: 0:22.0 to 0:25.0: Stem of &lt;song&gt;" in shown
    assert "<song>" not in shown
    assert '<text class="hertz" x="5" y="64.0">1 kHz</text>' in shown
    assert shown.count("<svg") == shown.count("aria-label=") == 3


@pytest.mark.parametrize(
    ("span", "left", "width"),
    [((0.0, 100.0), "0.00", "100.00"), ((29.999, 30.0), "99.40", "0.60"), ((10.0, 12.0), "0.00", "0.60")],
)
def test_a_mark_stays_inside_and_can_be_seen(span, left, width):
    shown = scope(Take("Stem", "", 20.0, OUTLINE, b"", (), span), "x")
    assert f'x="{left}%" y="2" width="{width}%"' in shown


def test_a_quiet_sound_has_a_shape_and_silence_a_line():
    loud, quiet = (scope(Take("Stem", "", 0.0, Outline([-v], [v], 1.0)), "x") for v in (0.9, 0.009))
    assert loud == quiet
    assert "nan" not in scope(Take("Stem", "", 0.0, Outline([0.0], [0.0], 1.0)), "x")
    assert scope(Take("Stem", "", 0.0, Outline([], [], 0.0)), "x") == ""


def test_where_an_excerpt_lies_in_the_stem():
    assert 'class="excerpt" x="50.00%" y="0" width="25.00%"' in whereabouts(Place(OUTLINE, 5.0, 7.5), "x")


@pytest.mark.parametrize(
    ("start", "seconds", "expected"),
    [
        (0.0, 4.0, ["0:00.0", "0:00.5", "0:01.0"]),
        (58.5, 7.0, ["0:59", "1:00", "1:01"]),
        (0.0, 240.0, ["0:00", "0:30", "1:00"]),
        (0.0, 6000.0, ["0:00", "12:30", "25:00"]),
    ],
)
def test_times_on_the_axis_are_round(start, seconds, expected):
    ticks = time_ticks(start, seconds)
    assert [words for _, words in ticks[:3]] == expected
    assert len(ticks) <= 9
    assert all(0 <= place <= 100 for place, _ in ticks)
    assert time_ticks(0.0, 0.0) == []


def test_the_clock():
    assert [clock(0), clock(59.6), clock(61.25, 1), clock(59.96, 1)] == ["0:00", "1:00", "1:01.2", "1:00.0"]
