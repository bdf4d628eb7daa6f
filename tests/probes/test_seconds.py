from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.probes.seconds import BY_SECOND, FLAT, GAPS, by_second, owned

RATE = 1000


def hum(seconds: float) -> np.ndarray:
    """``(2, time)`` without a gap and without a flat top: the peak of a sine of 7.3 samples is never met twice."""
    time = np.arange(round(seconds * RATE))
    tone = np.sin(2 * np.pi * time / 7.3).astype(np.float32)
    return np.stack([tone, 0.5 * tone])


def test_a_gap_is_told_by_the_share_of_each_second_that_it_takes():
    audio = hum(5.5)
    audio[:, 2250:3500] = 0.0
    assert by_second(audio, RATE)[GAPS] == pytest.approx([0, 0, 0.75, 0.5, 0, 0], abs=0.005)


def test_the_last_second_may_be_a_part_of_one():
    audio = hum(2.5)
    audio[:, 2250:2499] = 0.0
    assert by_second(audio, RATE)[GAPS] == pytest.approx([0, 0, 0.5], abs=0.01)


def test_flat_tops_are_told_by_the_second_whatever_the_level():
    audio = hum(4)
    audio[:, 1000:2000] = np.clip(audio[:, 1000:2000], -0.4, 0.4) * 2.5
    found = by_second(0.1 * audio, RATE)[FLAT]
    assert found[1] > 0.2
    assert [found[k] for k in (0, 2, 3)] == pytest.approx([0, 0, 0], abs=0.01)


def test_silence_has_no_fault_and_no_samples_no_seconds():
    for seconds in (2, 0):
        found = by_second(np.zeros((1, seconds * RATE), np.float32), RATE)
        assert {name: shares.tolist() for name, shares in found.items()} == {
            name: [0.0] * seconds for name in BY_SECOND
        }


@given(st.lists(st.floats(0.0, 50.0), min_size=1, max_size=8).map(sorted), st.integers(1, 60))
def test_every_second_stands_in_one_row_and_in_that_of_its_segment(starts, seconds):
    rows = [list(range(seconds))[its] for its in owned(starts, seconds)]
    assert [second for row in rows for second in row] == list(range(seconds))
    for start, later, row in zip(starts, [*starts[1:], np.inf], rows, strict=True):
        assert all(second < later and (second >= start or start == starts[0]) for second in row)
