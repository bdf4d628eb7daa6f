import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.report import numbers


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, 1e300, True, "3", np.float32("nan")])
def test_what_is_not_a_finite_number_is_a_dash(value):
    assert not numbers.known(value)
    for show in (numbers.decimal, numbers.decibels, numbers.percent, numbers.probability, numbers.duration):
        assert show(value) == "–"


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_a_decimal_reads_back_to_within_its_rounding(value, digits):
    shown = numbers.decimal(value, digits, signed=True)
    assert shown[0] in "+−"
    assert "-" not in shown
    assert abs(float(shown.replace("−", "-")) - value) <= 0.5 * 10.0**-digits * (1 + 1e-9) + 1e-9


def test_minus_zero_is_zero():
    assert numbers.decimal(-0.001) == "0.00"
    assert numbers.decimal(-2e30) == "−2e+30"
    assert numbers.decimal(np.float32(-1.25)) in ("−1.25", "−1.2")


def test_scores_of_any_scale_show_something():
    assert [numbers.score(v) for v in (-3.456, 0.00012345, 0, None)] == ["−3.46", "+0.000123", "+0.00", "–"]


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_no_uncertain_probability_is_shown_as_certain(value):
    assert numbers.probability(value) not in ("0.000", "1.000")


def test_certain_probabilities_are_shown():
    assert (numbers.probability(0), numbers.probability(1)) == ("0.000", "1.000")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.314, "0.31\u202fs"),
        (12.34, "12.3\u202fs"),
        (125.4, "2\u202fmin 05\u202fs"),
        (59.96, "60.0\u202fs"),
        (3720, "1\u202fh 02\u202fmin"),
    ],
)
def test_durations(seconds, shown):
    assert numbers.duration(seconds) == shown


def test_spans_say_which_end_is_missing():
    assert numbers.span(0.25, -1.0) == "0.25 to −1.00"
    assert numbers.span(None, 2.0) == "– to 2.00"
    assert numbers.span(None, math.nan) == "–"


def test_anything_shows_integers_exactly_and_containers_item_by_item():
    assert numbers.anything(12345678901234567) == "12345678901234567"
    assert numbers.anything(np.int64(7)) == "7"
    assert numbers.anything(np.bool_(False)) == "no"
    assert numbers.anything([1, 0.5, None]) == "1, 0.5, –"
    assert numbers.anything({"a": (True, "x")}) == "a: yes, x"
    assert numbers.anything([]) == "–"


def test_flatten_keeps_order_and_joins_keys_with_dots():
    nested = {"b": 1, "a": {"y": {"z": 2}, "x": 3}, "empty": {}}
    assert numbers.flatten(nested) == [("b", 1), ("a.y.z", 2), ("a.x", 3), ("empty", {})]
