from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.dealing import split
from raysep.resources import Resources
from raysep.rundir import Run
from raysep.screen import Progress
from raysep.stages.passes import AudioWorker, Pass, Worker, finished

KEYS = st.sets(st.text("abcdef/", min_size=1, max_size=6))


# Splitting


@given(keys=KEYS, count=st.integers(1, 9))
def test_every_key_is_in_one_shard_whatever_the_order(keys, count):
    parts = split(sorted(keys), count)
    assert sorted(key for part in parts.values() for key in part) == sorted(keys)
    assert set(parts) <= set(range(count))
    assert all(parts.values())
    assert split(sorted(keys, reverse=True), count) == parts


@given(keys=KEYS, more=KEYS, count=st.integers(1, 9))
def test_a_key_stays_in_its_shard_when_others_come(keys, more, count):
    parts, larger = split(keys, count), split(keys | more, count)
    assert all(set(part) <= set(larger[number]) for number, part in parts.items())


def test_shards_are_of_similar_size():
    sizes = [len(part) for part in split((f"song{k}" for k in range(6400)), 64).values()]
    assert len(sizes) == 64
    assert 60 < min(sizes) <= max(sizes) < 145  # four standard deviations of a hundred keys


# A pass


class Doubler(Worker):
    def run(self, shard, payload):
        if payload < 0:
            raise ValueError("below zero")
        counts = {"rows": 1, "failed": int(payload == 0)}
        return self.finish("double", shard, str(2 * payload).encode(), f"double/{shard}", counts)


@pytest.fixture
def run(tmp_path):
    return Run(str(tmp_path / "run"))


def over(run, fingerprint="abc", **more) -> Pass:
    return Pass(run, "double", fingerprint, Resources(2.0, 0.0, 1), Progress(quiet=True), **more)


def doubler(run, fingerprint="abc") -> Doubler:
    return Doubler(root=run.root, fingerprint=fingerprint)


def test_what_is_missing_is_done_and_marked_and_nothing_else(run, here):
    done = over(run).run(doubler(run), {0: 1, 1: 2})
    assert (done.now, done.lost, done.reason) == (2, {}, None)
    assert run.read_bytes("double", "1") == b"4"
    assert over(run).run(doubler(run), {0: 1, 1: 2, 2: 3}).now == 1
    assert over(run).run(doubler(run), {0: 1, 1: 2, 2: 3}).now == 0
    assert here == [[0, 1], [2], []]


def test_a_failed_shard_is_lost_with_its_reason_and_missing_the_next_time(run, here):
    done = over(run).run(doubler(run), {0: 1, 1: -1})
    assert done.lost == {1: "ValueError: below zero"}
    assert done.reason == "ValueError: below zero"
    assert list(over(run).done) == [0]


def test_shards_of_another_fingerprint_do_not_count(run, here):
    over(run).run(doubler(run), {0: 1, 1: 2})
    assert over(run, "other").done == {}
    each = {0: "abc", 1: "new"}  # every shard may have its own
    assert list(over(run, each).done) == [0]
    over(run, each).run(doubler(run, each), {0: 1, 1: 2})
    assert {n: m["fingerprint"] for n, m in run.markers("double").items()} == each


def test_shards_with_a_failure_are_done_again_where_that_is_asked_for(run, here):
    over(run).run(doubler(run), {0: 0, 1: 2})
    assert list(finished(run, "double", "abc")) == [0, 1]
    assert list(finished(run, "double", "abc", again=True)) == [1]
    assert over(run, again=True).run(doubler(run), {0: 0, 1: 2}).now == 1


def test_the_bar_begins_at_what_is_done_and_ends_at_all(run, here):
    shown = []
    over(run).run(doubler(run), {0: 1, 1: 2}, lambda done, of: shown.append((done, of)))
    over(run).run(doubler(run), {0: 1, 1: 2, 2: 3}, lambda done, of: shown.append((done, of)))
    assert shown == [(0, 2), (1, 2), (2, 2), (2, 3), (3, 3)]


def test_a_part_of_a_stage_is_shown_as_such(run, here):
    shown = []
    over(run).run(doubler(run), {0: 1}, lambda done, of: shown.append((done, of)), of=2)
    over(run).run(doubler(run), {1: 2}, lambda done, of: shown.append((done, of)), of=2)
    assert shown == [(0, 2), (1, 2), (1, 2), (2, 2)]


def test_a_shard_that_there_is_not_is_never_marked(run):
    with pytest.raises(KeyError, match="no shard 7"):
        doubler(run, {0: "abc"}).run(7, 1)


def test_a_worker_is_made_from_the_context(make_context):
    context = make_context()
    worker = AudioWorker.of(context)
    assert (worker.root, worker.fingerprint) == (context.run.root, context.fingerprint)
    assert (worker.sample_rate, worker.channels, worker.config) == (8000, 1, context.config)
    assert worker.threads == context.config.training.threads
    assert AudioWorker.of(context, threads=3, fingerprint="other").threads == 3
