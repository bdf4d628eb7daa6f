from __future__ import annotations

import json

import pytest

from raysep import events
from raysep.corpus import storage
from raysep.errors import StorageUnreachable


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def bucket(s3_server) -> str:
    import boto3

    boto3.client("s3").create_bucket(Bucket="events")
    return "s3://events/run"


def kinds(root: str) -> list[str]:
    return [event["kind"] for event in events.read(root)]


def test_everybody_who_listens_is_told_with_the_stage_it_belongs_to():
    heard: list[tuple] = []
    with events.listening(lambda *told: heard.append(told)):
        events.tell("run-begun", host="h")
        with events.at_stage("round-1"), events.at_stage("score"):
            events.tell("shard-done", shard=3)
            events.tell("progress", stage="first-look")
    events.tell("nobody", there=1)
    assert heard == [
        ("run-begun", {"host": "h"}),
        ("stage-begun", {"stage": "round-1"}),
        ("stage-begun", {"stage": "score"}),
        ("shard-done", {"stage": "score", "shard": 3}),
        ("progress", {"stage": "first-look"}),
    ]


def test_a_second_driver_adds_to_what_the_first_has_written(tmp_path, said):
    for host in ("a", "b"):
        with events.written(str(tmp_path), said.append):
            events.tell("run-begun", host=host)
    found = events.read(str(tmp_path))
    assert [(event["kind"], event.get("host")) for event in found] == [
        ("run-begun", "a"),
        ("run-ended", None),
        ("run-begun", "b"),
        ("run-ended", None),
    ]
    assert [event["at"] for event in found] == sorted(event["at"] for event in found)
    assert said == []


def test_the_log_says_how_the_run_ended(tmp_path, said):
    def work() -> None:
        with events.written(str(tmp_path), said.append):
            events.tell("run-begun")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert events.read(str(tmp_path))[-1]["reason"] == "KeyboardInterrupt"


def test_of_a_run_that_never_began_nothing_is_written(tmp_path, said):
    with pytest.raises(ValueError, match="another run's folder"), events.written(str(tmp_path), said.append):
        raise ValueError("another run's folder")
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_a_killed_driver_left_half_is_no_event(tmp_path, said):
    (tmp_path / events.FILE).write_bytes(events.line_of("run-begun", {}) + b'{"at": "20')
    assert kinds(str(tmp_path)) == ["run-begun"]
    assert events.read(str(tmp_path / "nothing")) == []


def test_progress_is_a_line_a_minute_at_most(tmp_path, said):
    with events.written(str(tmp_path), said.append):
        for done in range(1000):
            events.tell(events.PROGRESS, done=done)
        events.tell("shard-done", shard=1)
    assert kinds(str(tmp_path)) == ["progress", "shard-done", "run-ended"]


def test_in_a_store_there_are_small_files_and_those_of_a_driver_before_stay(bucket, said, monkeypatch):
    monkeypatch.setattr(events, "PART_BYTES", 300)
    monkeypatch.setattr(events, "FLUSHED", 0.02)
    for host in ("a", "b"):
        with events.written(bucket, said.append):
            for number in range(12):
                events.tell("shard-done", shard=number, host=host)
                if number % 4 == 3:
                    _written(bucket, number, host)
    shards = [(e["host"], e["shard"]) for e in events.read(bucket) if e["kind"] == "shard-done"]
    assert shards == [(host, number) for host in ("a", "b") for number in range(12)]
    assert len(storage.list_files(storage.join(bucket, events.FOLDER))) >= 4
    assert said == []


def _written(root: str, number: int, host: str) -> None:
    """Wait until an event is there."""
    import time

    deadline = time.monotonic() + 30
    while not any((e.get("shard"), e.get("host")) == (number, host) for e in events.read(root)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_place_that_cannot_be_written_is_said_once_and_no_more(tmp_path, said):
    (tmp_path / "file").write_text("")
    with events.written(str(tmp_path / "file"), said.append):
        for number in range(5):
            events.tell("shard-done", shard=number)
    assert len(said) == 1
    assert said[0].startswith("note: events cannot be written, the run goes on without them (")


def test_a_store_that_is_away_is_said_once_and_no_more(monkeypatch, said):
    def away(*given, **named):
        raise StorageUnreachable("s3://b/run: away")

    monkeypatch.setattr(storage, "list_files", away)
    monkeypatch.setattr(events, "FLUSHED", 0.01)
    with events.written("s3://b/run", said.append):
        events.tell("run-begun")
        _until(lambda: said)
        events.tell("shard-done")
    assert said == ["note: events cannot be written, the run goes on without them (s3://b/run: away)"]


def _until(there) -> None:
    import time

    deadline = time.monotonic() + 30
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_json_does_not_know_is_written_as_text(tmp_path):
    assert json.loads(events.line_of("x", {"path": tmp_path}))["path"] == str(tmp_path)


def test_what_a_pool_says_is_told_in_the_words_of_events():
    heard: list[tuple] = []
    with events.listening(lambda *told: heard.append(told)):
        events.of_pool("done", shard=1, counts={"stems": 4, "failed": 1}, cost={"seconds": 2.0, "cpu_seconds": 1.5})
        events.of_pool("died", shard=1, reason="gone")
        events.of_pool("waiting", text="for 2 CPUs")
    assert heard == [
        ("shard-done", {"shard": 1, "failed": 1, "seconds": 2.0, "cpu_seconds": 1.5}),
        ("worker-died", {"shard": 1, "reason": "gone"}),
        ("pool-waiting", {"text": "for 2 CPUs"}),
    ]
