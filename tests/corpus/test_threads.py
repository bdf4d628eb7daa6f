from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus import threads
from raysep.corpus.threads import in_threads


@given(st.lists(st.integers(), max_size=50), st.integers(0, 4))
def test_it_is_a_map_in_the_order_of_the_items(items, count):
    assert in_threads(lambda item: item + 1, iter(items), count) == [item + 1 for item in items]


def test_few_of_the_items_are_taken_before_they_are_worked_on(monkeypatch):
    monkeypatch.setattr(threads, "AT_A_TIME", 10)
    taken, done = [], []

    def items():
        for number in range(50):
            taken.append(number)
            yield number
            assert len(taken) - len(done) <= 10

    assert in_threads(lambda item: done.append(item) or item, items()) == list(range(50))


def test_they_run_at_once_and_an_error_is_raised():
    together = threading.Barrier(4, timeout=10)
    assert sorted(in_threads(lambda item: together.wait(), range(4), 4)) == [0, 1, 2, 3]
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda item: time.sleep(0.01) or 1 / item, [1, 0, 2])
