from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.report.forest import LEFT, RIGHT, Dot, forest

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = st.floats(-50, 50) | st.just(float("nan"))


def parsed(text: str) -> ElementTree.Element:
    element = ElementTree.fromstring(text)  # a strict parser is the oracle for well-formed and escaped
    assert element.tag == f"{SVG}svg"  # a file of its own: it names its namespace
    assert not re.search(r'="[^"]*\b(nan|inf)\b', text)
    return element


def places(element, tag, name):
    return [float(child.get(name)) for child in element.iter(f"{SVG}{tag}")]


@given(st.lists(st.tuples(st.text(st.characters(codec="ascii", categories=["L", "P"])), NUMBER, NUMBER, NUMBER)))
def test_whatever_is_known_is_drawn_inside_the_frame(rows):
    element = parsed(forest("<a & b>", [(name, [Dot(value, low, high)]) for name, value, low, high in rows], 0.0))
    assert all(LEFT - 0.1 <= x <= RIGHT + 0.1 for x in places(element, "circle", "cx"))
    assert len(places(element, "circle", "cx")) == sum(value == value for _, value, *_ in rows)


def test_positions_are_linear_in_the_values_and_values_are_written():
    text = forest("SDR", [("clean", [Dot(1.0, 0.0, 2.0)]), ("random", [Dot(0.5)])])
    first, second = places(parsed(text), "circle", "cx")
    low, high = (float(x) for x in re.search(r'class="mark" x1="([\d.]+)" x2="([\d.]+)"', text).groups())
    assert first == pytest.approx((low + high) / 2, abs=0.1)
    assert second == pytest.approx((low + first) / 2, abs=0.1)
    assert ">1.00</text>" in text
    assert text.count('class="mark"') == 1  # the second has no interval


def test_two_series_are_told_apart_without_colour():
    text = forest("AUROC", [("swap", [Dot(0.9, 0.8, 1.0), Dot(0.7, 0.6, 0.8)])], 0.5, ("fused", "best"))
    assert ">fused</text>" in text
    assert text.count('circle class="second"') == 2  # in the legend and in the row
    assert len(set(places(parsed(text), "circle", "cy"))) == 3
    assert ">0.90 / 0.70</text>" in text


def test_nothing_to_show_is_still_a_picture():
    parsed(forest("nothing", []))
