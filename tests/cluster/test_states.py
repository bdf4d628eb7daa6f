from __future__ import annotations

import json
from pathlib import Path

import pytest
import ray

from raysep.cluster.fit import Group
from raysep.cluster.states import NOTE, forget_unreadable


@pytest.fixture
def group(tmp_path) -> Group:
    return Group(workers=2, threads=1, memory_gib=1.0, storage_path=str(tmp_path), name="retrain-1")


def states_of(group: Group, note: bytes | None) -> Path:
    """The folder that Ray Train keeps, with one state in it."""
    folder = Path(group.storage_path) / group.name
    (folder / "checkpoint_1").mkdir(parents=True)
    (folder / "checkpoint_1" / "state.pt").write_bytes(b"state")
    if note is not None:
        (folder / NOTE).write_bytes(note)
    return folder


WHOLE = json.dumps({"ray_version": ray.__version__, "checkpoint_results": []}).encode()


@pytest.mark.parametrize("note", [WHOLE, None])
def test_states_that_can_be_gone_on_from_are_kept(group, note):
    folder = states_of(group, note)
    assert not forget_unreadable(group)
    assert (folder / "checkpoint_1" / "state.pt").exists()


@pytest.mark.parametrize("note", [b"", WHOLE[:20], b"[]", b"{}", WHOLE.replace(ray.__version__.encode(), b"2.1.0")])
def test_a_torn_note_and_one_of_another_ray_are_forgotten_with_their_states(group, note):
    folder = states_of(group, note)
    other = states_of(Group(**{**vars(group), "name": "retrain-2"}), WHOLE)
    assert forget_unreadable(group)
    assert not folder.exists()
    assert other.exists()
    assert not forget_unreadable(group)


def test_a_group_that_never_ran_has_none(group):
    assert not forget_unreadable(group)


def test_in_the_object_store(s3_server):
    import boto3

    from raysep.corpus import storage

    boto3.client("s3").create_bucket(Bucket="states")
    group = Group(workers=2, threads=1, memory_gib=1.0, storage_path="s3://states/run/training", name="retrain-1")
    folder = storage.join(group.storage_path, group.name)
    storage.write_bytes(storage.join(folder, "checkpoint_1", "state.pt"), b"state")
    storage.write_bytes(storage.join(folder, NOTE), WHOLE)
    assert not forget_unreadable(group)
    storage.write_bytes(storage.join(folder, NOTE), WHOLE[:20])
    assert forget_unreadable(group)
    assert storage.list_files(folder) == []
