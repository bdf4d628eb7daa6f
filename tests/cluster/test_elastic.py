"""How large a pool is to be, and when its standstill is told: decisions that know no Ray."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raysep.cluster.elastic import IDLE_SECONDS, PATIENCE, Pool, Standstill, more, spare

ALL = 10**6
COUNTS = st.integers(0, 40)


def test_a_pool_grows_with_the_cluster_and_not_beyond_the_shards():
    assert more(Pool(0, 0, 0, waiting=10), least=1, most=ALL, reach=4) == 4
    assert more(Pool(4, 0, 0, waiting=6), least=1, most=ALL, reach=4) == 0
    assert more(Pool(4, 0, 0, waiting=6), least=1, most=ALL, reach=8) == 4  # nodes have joined
    assert more(Pool(4, 0, 0, waiting=2), least=1, most=ALL, reach=8) == 2
    assert more(Pool(4, 0, 0, waiting=6), least=1, most=5, reach=8) == 1


def test_what_waits_for_room_is_not_asked_for_twice():
    assert more(Pool(1, 0, asked=3, waiting=9), least=1, most=ALL, reach=4) == 0


def test_a_cluster_without_room_is_asked_all_the_same():
    """What is asked for and finds no room is what an autoscaler goes by."""
    assert more(Pool(0, 0, 0, waiting=9), least=1, most=ALL, reach=0) == 1
    assert more(Pool(0, 0, 0, waiting=9), least=3, most=ALL, reach=0) == 3


def test_nothing_is_asked_for_in_the_place_of_what_never_comes_up():
    assert more(Pool(1, 0, 0, waiting=9, lost=3), least=1, most=ALL, reach=4) == 0


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.integers(1, 40), st.integers(0, 40), st.integers(0, 40))
def test_no_pool_is_larger_than_its_bounds(busy, idle, asked, waiting, least, above, reach):
    pool, most = Pool(busy, idle, asked, waiting), least + above
    asked_for = more(pool, least, most, reach)
    there = busy + idle + asked
    assert asked_for >= 0
    assert there + asked_for <= max(there, min(most, busy + waiting, max(reach, least)))
    # Nobody who could work is left out, as far as the bounds go.
    assert there + asked_for >= min(most, busy + waiting, max(reach, least))


def test_idle_workers_are_given_back_in_the_end_but_for_the_least():
    assert spare(Pool(busy=1, idle=3, asked=0, waiting=0), least=1, quiet=IDLE_SECONDS) == 3
    assert spare(Pool(busy=1, idle=3, asked=0, waiting=0), least=3, quiet=IDLE_SECONDS) == 1
    assert spare(Pool(busy=1, idle=3, asked=0, waiting=0), least=9, quiet=IDLE_SECONDS) == 0
    assert spare(Pool(busy=1, idle=3, asked=0, waiting=0), least=1, quiet=IDLE_SECONDS - 1) == 0
    assert spare(Pool(busy=1, idle=3, asked=0, waiting=1), least=1, quiet=IDLE_SECONDS) == 0


# Standing still


class Watched(Standstill):
    def __init__(self):
        self.said: list[str] = []
        self.now = 0.0
        super().__init__(self.said.append, lambda: self.now)

    def after(self, seconds: float, runs: bool, words: str = "waiting for 1 CPU") -> list[str]:
        self.now += seconds
        self.look(runs, lambda: words)
        return self.said


def test_it_is_said_once_and_again_when_it_changes():
    still = Watched()
    assert still.after(PATIENCE - 1, False) == []
    assert still.after(1, False) == ["waiting for 1 CPU"]
    assert still.after(100, False) == ["waiting for 1 CPU"]
    assert still.after(1, False, "waiting for 1 GPU") == ["waiting for 1 CPU", "waiting for 1 GPU"]


def test_nothing_is_said_while_anything_runs_and_all_is_after_another_while():
    still = Watched()
    assert still.after(100, True) == []
    assert still.after(PATIENCE - 1, False) == []
    assert still.after(2, False) == ["waiting for 1 CPU"]
    still.after(1, True)
    assert still.after(PATIENCE + 1, False) == ["waiting for 1 CPU"] * 2


def test_nothing_is_said_where_there_is_room():
    """A worker that is slow to start waits for nobody."""
    assert Watched().after(100, False, "") == []
