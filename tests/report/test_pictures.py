import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.report import pictures
from raysep.report.numbers import known

NUMBER = st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.floats(-5, 5)


def parsed(picture):
    """SVG is XML: a strict parser is the oracle for well-formed, quoted and escaped."""
    element = ElementTree.fromstring(picture)
    assert element.tag == "svg"
    assert element.get("role") == "img"
    assert element.get("aria-label")
    assert not re.search(r"nan|inf", picture.lower().replace(element.get("aria-label").lower(), ""))
    return element


def shapes(element, kind):
    return [child for child in element.iter() if kind in (child.get("class") or "").split()]


@given(NUMBER, NUMBER, NUMBER, NUMBER)
def test_intervals_draw_whatever_is_known_inside_the_frame(value, low, high, reference):
    bounds = pictures.bounds_of([value, low, high])
    assert bounds[0] < bounds[1]
    element = parsed(pictures.interval(value, low, high, bounds, "<a & b>", reference))
    for shape in element.iter():
        for name in ("x1", "x2", "cx"):
            assert 0 <= float(shape.get(name, 0)) <= 220


def test_interval_positions_are_linear_in_the_value():
    element = parsed(pictures.interval(0.5, 0.25, 1.0, (0.0, 1.0), "x", reference=0.0))
    dot, (line, *_), (reference,) = shapes(element, "dot")[0], shapes(element, "whisker"), shapes(element, "reference")
    left, right = 7.0, 213.0
    assert float(dot.get("cx")) == pytest.approx((left + right) / 2, abs=0.1)
    assert float(line.get("x1")) == pytest.approx(left + 0.25 * (right - left), abs=0.1)
    assert float(line.get("x2")) == pytest.approx(right, abs=0.1)
    assert float(reference.get("x1")) == left


@given(st.lists(NUMBER))
def test_bounds_hold_every_known_value(values):
    low, high = pictures.bounds_of(values)
    assert low < high
    assert all(low <= v <= high for v in values if known(v))


def test_share_names_its_marks_and_survives_their_absence():
    element = parsed(pictures.share(0.37, 0.3, 0.45, {"best <bin>": 0.4, "other": None}))
    assert [title.text for title in element.iter("title")] == ["best <bin>: 40.0\u202f%"]
    assert len(shapes(element, "band")) == 1
    bare = parsed(pictures.share(None, None, None, {}))
    assert not shapes(bare, "band")
    assert not shapes(bare, "dot")


@given(st.lists(st.integers(0, 50), min_size=1, max_size=5))
def test_stacked_widths_are_proportional(amounts):
    element = parsed(pictures.stacked([("keep", f"p{i}", n) for i, n in enumerate(amounts)], "parts"))
    widths = [float(rect.get("width")) for rect in shapes(element, "keep")]
    total = sum(amounts) or 1
    assert widths == pytest.approx([200 * n / total for n in amounts], abs=0.01)


@given(
    st.lists(st.floats(-10, 10), max_size=60), st.lists(st.floats(-10, 10), max_size=60), st.none() | st.floats(-9, 9)
)
def test_histogram_areas_are_the_counts(kept, removed, threshold):
    element = parsed(pictures.histogram(kept, removed, (-5.0, 5.0), "vocals & co", threshold, bins=10))
    assert f"{len(kept)} stems kept, {len(removed)} set aside" in element.get("aria-label")
    counts = {"keep": np.zeros(10), "drop": np.zeros(10)}
    for name, values in (("keep", kept), ("drop", removed)):
        for value in values:
            counts[name][int(np.clip(np.floor(value + 5.0), 0, 9))] += 1
    tallest = max(float((counts["keep"] + counts["drop"]).max()), 1.0)
    for name in ("keep", "drop"):
        heights = [float(rect.get("height")) for rect in shapes(element, name)]
        assert heights == pytest.approx([100 * n / tallest for n in counts[name] if n], abs=0.06)
    assert bool(shapes(element, "threshold")) == (threshold is not None and -5 <= threshold <= 5)


def test_histogram_with_one_value_and_an_empty_range():
    parsed(pictures.histogram([1.0], [], (1.0, 1.0), "one", None))


def test_roc_keeps_its_ends_and_drops_points_on_a_line():
    diagonal = [(i / 1000, i / 1000) for i in range(1001)]
    element = parsed(pictures.roc(diagonal, "chance"))
    assert shapes(element, "curve")[0].get("d") == "M12 156L156 12"
    step = [(0, 0), (0, 0.5), (0, 1), (0.5, 1), (1, 1)]
    assert shapes(parsed(pictures.roc(step, "perfect")), "curve")[0].get("d") == "M12 156L12 12L156 12"


def test_roc_path_stays_close_to_the_curve_it_thins():
    x = np.linspace(0, 1, 5000)
    y = x**0.2
    path = shapes(parsed(pictures.roc(list(zip(x, y, strict=True)), "smooth")), "curve")[0].get("d")
    points = np.array([[float(v) for v in pair.split()] for pair in path[1:].split("L")])
    assert len(points) < 600
    drawn = np.interp(12 + 144 * x, points[:, 0], points[:, 1])
    assert np.abs(drawn - (156 - 144 * y))[x > 0.05].max() < 1.0  # half a pixel in x, on a slope of 2.2


def test_an_empty_roc_and_unknown_points_draw_no_curve():
    assert not shapes(parsed(pictures.roc([], "none")), "curve")
    assert not shapes(parsed(pictures.roc([(None, math.nan)], "none", [(0, 0), (1, 1)])), "curve")


def test_waveform_is_inside_its_frame_and_empty_without_samples():
    assert pictures.waveform([], [], "x") == ""
    element = parsed(pictures.waveform([-2.0, -0.5], [0.5, 2.0], "crop"))
    heights = [float(pair.split()[1]) for pair in shapes(element, "wave")[0].get("d")[1:-1].split("L")]
    assert heights == [14.0, 0.0, 42.0, 56.0]


@given(NUMBER)
def test_bar_is_between_nothing_and_full(fraction):
    width = float(shapes(parsed(pictures.bar(fraction, "share", "drop")), "drop")[0].get("width"))
    assert width == pytest.approx(100 * min(max(fraction, 0), 1) if known(fraction) else 0.0, abs=0.01)
