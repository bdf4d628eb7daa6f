from __future__ import annotations

import numpy as np
import pytest

from raysep.report.evidence.spans import LONGEST, MARGIN, Scored, densest, worst_span

RATE = 8000
NOTHING = Scored(*(np.zeros(0) for _ in range(3)), np.zeros((0, 0)), ())
BEYOND = {"signal-dropout": True, "signal-clipping": True}


@pytest.fixture
def tone() -> np.ndarray:
    """Ten seconds, ``(2, time)``."""
    time = np.arange(10 * RATE) / RATE
    return np.tile(0.3 * np.sin(2 * np.pi * 220.5 * time), (2, 1)).astype(np.float32)


def scored(z, probes=("loss", "agreement")) -> Scored:
    """Five segments of two seconds."""
    return Scored(np.arange(0.0, 10.0, 2.0), np.full(5, 2.0), np.array([-30.0, -20.0, -10.0, -20.0, -30.0]), z, probes)


def test_the_longest_gap_is_marked(tone):
    tone[:, 2 * RATE : round(2.1 * RATE)] = 0
    tone[:, 6 * RATE : 7 * RATE] = 0
    span = worst_span(tone, RATE, NOTHING, [], BEYOND)
    assert (span.start, span.stop) == pytest.approx((6 - MARGIN, 7 + MARGIN), abs=0.01)
    assert span.why == "digital silence, one of 2 gaps"


def test_gaps_that_are_near_are_marked_with_it(tone):
    tone[:, 6 * RATE : 7 * RATE] = 0
    tone[:, round(7.2 * RATE) : round(7.4 * RATE)] = 0
    span = worst_span(tone, RATE, NOTHING, [], BEYOND)
    assert (span.start, span.stop) == pytest.approx((6 - MARGIN, 7.4 + MARGIN), abs=0.01)


def test_a_gap_longer_than_what_is_marked_is_cut(tone):
    tone[:, RATE : 9 * RATE] = 0
    span = worst_span(tone, RATE, NOTHING, [], BEYOND)
    assert span.stop - span.start == pytest.approx(LONGEST + 2 * MARGIN, abs=0.01)


def test_the_densest_flat_tops_are_marked(tone):
    tone[:, 4 * RATE : 5 * RATE] = np.clip(tone[:, 4 * RATE : 5 * RATE] * 3, -0.3, 0.3)
    span = worst_span(tone, RATE, NOTHING, [], BEYOND)
    assert 4.0 <= span.start < span.stop <= 5.0 + 1e-9


def test_a_gap_that_trusted_stems_have_too_is_no_reason(tone):
    tone[:, 6 * RATE : 7 * RATE] = 0
    z = np.zeros((5, 2))
    z[1] = 3.0
    span = worst_span(tone, RATE, scored(z), ["loss"], {"signal-dropout": False})
    assert (span.start, span.stop) == (2.0, 4.0)


def test_the_segment_is_the_one_that_the_loudest_probes_agree_on(tone):
    z = np.array([[5.0, -9.0], [1.0, 1.0], [0, 0], [4.0, 3.0], [np.nan, 2.0]])
    assert worst_span(tone, RATE, scored(z), ["loss", "agreement"], {}).start == 6.0
    assert worst_span(tone, RATE, scored(z), ["loss"], {}).start == 0.0
    assert worst_span(tone, RATE, scored(z), ["fad", "agreement"], {}).start == 6.0


def test_evidence_of_the_whole_stem_marks_its_loudest_segment_and_says_so(tone):
    span = worst_span(tone, RATE, scored(np.zeros((5, 2))), ["fad"], {})
    assert span.start == 4.0
    assert "whole stem" in span.why


def test_a_long_segment_is_marked_in_its_middle_and_a_span_ends_with_the_stem(tone):
    one = Scored(np.array([3.0]), np.array([8.0]), np.array([-20.0]), np.ones((1, 1)), ("loss",))
    assert worst_span(tone, RATE, one, ["loss"], {})[:2] == (5.0, 9.0)
    late = one._replace(start=np.array([9.0]), seconds=np.array([3.0]))
    assert worst_span(tone, RATE, late, ["loss"], {})[:2] == (9.0, 10.0)


def test_without_any_segment_the_loudest_seconds_are_marked(tone):
    tone[:, : 5 * RATE] *= 0.01
    span = worst_span(tone, RATE, NOTHING, [], {})
    assert span.start >= 4.9
    assert span.stop <= 10.0


def test_the_densest_window_is_that_of_every_one_tried():
    values = np.random.default_rng(0).random(200)
    sums = [values[k : k + 30].sum() for k in range(171)]
    assert densest(values, 30) == int(np.argmax(sums))
    assert densest(values, 500) == 0
