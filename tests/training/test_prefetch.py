from __future__ import annotations

import threading
import time

import pytest

from raysep.training.prefetch import prefetched


def test_every_step_once_in_order_and_one_ahead():
    calls = []

    def draw(step):
        calls.append(step)
        return step * step

    with prefetched(draw, range(3, 8)) as drawn:
        assert next(drawn) == 9
        deadline = time.monotonic() + 5
        while calls != [3, 4] and time.monotonic() < deadline:
            time.sleep(0.001)
        assert calls == [3, 4]
        assert list(drawn) == [16, 25, 36, 49]
    assert calls == [3, 4, 5, 6, 7]


def test_an_error_comes_where_the_result_would_have_been():
    def draw(step):
        if step == 2:
            raise ValueError("step 2")
        return step

    with prefetched(draw, range(4)) as drawn:
        assert [next(drawn), next(drawn)] == [0, 1]
        with pytest.raises(ValueError, match="step 2"):
            next(drawn)


def test_leaving_early_leaves_no_thread():
    with prefetched(lambda step: step, range(100)) as drawn:
        next(drawn)
    assert not [t for t in threading.enumerate() if t.name.startswith("draw")]
    with prefetched(lambda step: step, range(0)) as drawn:
        assert list(drawn) == []
