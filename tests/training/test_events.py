from __future__ import annotations

import struct
from pathlib import Path

import pytest

from raysep.corpus import storage
from raysep.training.events import Events


def scalars(folder: str) -> dict[tuple[str, int], float]:
    """(name, step) -> value as TensorBoard shows it: of files by age, a later start supersedes what was after it.

    A record is its length (uint64), a checksum, the message, a checksum.
    """
    from tensorboardX.proto.event_pb2 import Event

    found: dict[tuple[str, int], float] = {}
    for info in storage.list_files(folder):
        data, at = storage.read_bytes(storage.uri_of(folder, info)), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += 12 + length + 4
            if event.HasField("session_log"):
                found = {key: value for key, value in found.items() if key[1] < event.step}
            found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    return found


def write(uri: str) -> None:
    events = Events(uri)
    events.add(10, {"training/loss": 2.0, "training/learning_rate": 0.5})
    events.add(20, {"training/loss": 1.0})
    events.close()


def test_figures_are_in_the_folder(tmp_path):
    write(str(tmp_path / "events"))
    assert scalars(str(tmp_path / "events")) == {
        ("training/loss", 10): 2.0,
        ("training/learning_rate", 10): 0.5,
        ("training/loss", 20): 1.0,
    }


def test_a_resumed_training_supersedes_what_it_repeats(tmp_path, monkeypatch):
    import time

    folder = str(tmp_path / "events")
    write(folder)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)  # files are told apart by their second
    events = Events(folder, step=10)
    events.add(20, {"training/loss": 0.25})
    events.close()
    assert len(list(Path(folder).iterdir())) == 2
    assert scalars(folder) == {
        ("training/loss", 10): 2.0,
        ("training/learning_rate", 10): 0.5,
        ("training/loss", 20): 0.25,
    }


@pytest.fixture
def bucket(s3_server):
    import boto3

    boto3.client("s3").create_bucket(Bucket="curves")
    return "s3://curves/run/tensorboard/x"


def test_figures_reach_an_object_store_at_every_save(bucket):
    events = Events(bucket)
    events.add(1, {"loss": 3.0})
    assert scalars(bucket) == {}
    events.save()
    assert scalars(bucket) == {("loss", 1): 3.0}
    events.add(2, {"loss": 2.0})
    events.close()
    assert scalars(bucket) == {("loss", 1): 3.0, ("loss", 2): 2.0}
