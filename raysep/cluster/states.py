"""The states that a group of training workers goes on from, as Ray Train keeps them."""

from __future__ import annotations

import json

import ray

from raysep.cluster.fit import Group
from raysep.corpus import storage

NOTE = "checkpoint_manager_snapshot.json"  # Ray's: which states there are


def forget_unreadable(group: Group) -> bool:
    """Delete the states of a group that Ray Train could not go on from, and say whether there were any.

    Ray writes its note of the states in place: a kill in the middle leaves half a note. It refuses to start the group
    from that, and from a note of another version of Ray, however often it is started.
    """
    note = storage.join(group.storage_path, group.name, NOTE)
    if not storage.exists(note):
        return False
    try:
        if json.loads(storage.read_bytes(note))["ray_version"] == ray.__version__:
            return False
    except (ValueError, KeyError, TypeError):
        pass
    storage.delete_folder(storage.join(group.storage_path, group.name))
    return True
