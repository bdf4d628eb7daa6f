from __future__ import annotations

import pytest

from raysep.pace import Pace, line, rate_words, span
from tests.told_facts import TRAINING


def paced(*noted: tuple[float, float]) -> Pace:
    pace = Pace()
    for now, done in noted:
        pace.note(done, now)
    return pace


def test_nothing_is_said_before_something_was_done():
    assert Pace().rate(0) is None
    assert paced((0, 5)).rate(10) is None
    assert paced((0, 5)).left(10, 10) is None


@pytest.mark.parametrize("before", [0, 300])
def test_what_was_there_before_does_not_count(before):
    pace = paced((100, before), (110, before + 20), (120, before + 40))
    assert pace.rate(120) == 2.0  # 40 in 20 s
    assert pace.left(before + 100, 120) == 30.0


def test_between_two_counts_it_goes_on_at_the_same_rate_and_a_pause_shows():
    pace = paced((0, 0), (60, 1), (120, 2))
    assert pace.rate(150) == pytest.approx(1 / 60)
    assert pace.rate(180) == pytest.approx(1 / 60)
    assert pace.rate(1200) == pytest.approx(2 / 1200)


def test_it_is_the_rate_of_the_last_minutes():
    pace = Pace()
    for second in range(0, 1000, 10):  # one a second, then three
        pace.note(second, second)
    for second in range(0, 1000, 10):
        pace.note(990 + 3 * second, 1000 + second)
    assert pace.rate(1990) == pytest.approx(3.0)


def test_what_begins_anew_is_measured_anew():
    pace = paced((0, 0), (10, 100), (20, 50), (30, 60))
    assert pace.rate(30) == 1.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (5340, "89 min"),
        (5400, "1 h 30 min"),
        (7200, "2 h"),
        (47.9 * 3600, "47 h 54 min"),
        (48 * 3600, "2 d"),
        (76 * 3600, "3 d 4 h"),
    ],
)
def test_a_length_of_time_in_words(seconds, words):
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("rate", "words"), [(2.1, "2.1 steps/s"), (312.4, "312 steps/s"), (0.5, "30 steps/min"), (0.001, "3.6 steps/h")]
)
def test_a_rate_in_words(rate, words):
    assert rate_words(rate, "steps") == words


def test_a_line_says_what_is_known_and_nothing_else():
    assert line(TRAINING) == "retrain, training 3 of 8 (random-seed0), step 240/600, 2.1 steps/s, 5 min left, 3 workers"
    assert line({"stage": "score", "done": 12, "total": 40, "unit": "shards", "workers": 1}) == (
        "score, 12 of 40 shards, 1 worker"
    )
    assert line({"stage": "decide"}) == "decide"
