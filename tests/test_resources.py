"""What a cluster has, may become and is asked for: sums that know no Ray."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep import config as settings
from raysep.corpus.hashing import fingerprint
from raysep.errors import BadInput
from raysep.resources import (
    ALWAYS_MORE,
    Cluster,
    Kind,
    Node,
    PoolSize,
    Resources,
    ResourceSettings,
    fitting,
    pool_size,
    said,
    shape_of,
    waiting_for,
)

GIB = 2.0**30


def cluster(*nodes: tuple[dict, dict], kinds: tuple = ()) -> Cluster:
    return Cluster(tuple(Node(*node) for node in nodes), kinds)


# --workers


@pytest.mark.parametrize(
    ("given_size", "size"),
    [
        (None, PoolSize(1, None)),
        (4, PoolSize(1, 4)),
        ("4", PoolSize(1, 4)),
        ("2:8", PoolSize(2, 8)),
        ("2:", PoolSize(2, None)),
        (":8", PoolSize(1, 8)),
    ],
)
def test_the_size_of_a_pool(given_size, size):
    assert pool_size(given_size) == size


@pytest.mark.parametrize("wrong", [0, "0", "8:2", "two", "1:2:3", "-1", "0:4", "1.5"])
def test_a_size_that_no_pool_has_is_refused_in_one_line(wrong):
    with pytest.raises(BadInput, match=rf"^--workers {wrong}: give the most, such as 8, or the least and the most"):
        pool_size(wrong)


# What a worker reserves


def test_a_worker_has_a_cpu_and_a_gpu_where_there_is_one():
    assert shape_of({}, Resources(8, 0, 1), gpu=True) == {"CPU": 1}
    assert shape_of({}, Resources(8, 2, 1), gpu=True) == {"CPU": 1, "GPU": 1}
    assert shape_of({}, Resources(8, 2, 1), gpu=False) == {"CPU": 1}
    assert shape_of({}, Resources(0.5, 0, 1), gpu=False) == {"CPU": 0.5}
    assert shape_of({}, Resources(0, 0, 1, most_cpus=64, most_gpus=8), gpu=True) == {"CPU": 1, "GPU": 1}


def test_the_settings_stand_over_that():
    share = {"cpus": 2, "gpus": 0.5, "memory_gib": 3, "spot": 0.1}
    assert shape_of(share, Resources(8, 2, 1), gpu=True) == {"CPU": 2, "GPU": 0.5, "memory": 3 * GIB, "spot": 0.1}
    assert shape_of({"gpus": 0}, Resources(8, 2, 1), gpu=True) == {"CPU": 1}
    assert shape_of({"cpus": 0}, Resources(8, 0, 1), gpu=True) == {"CPU": 0}


@pytest.mark.parametrize(
    "share", [{"cpus": -1}, {"gpus": 1.5}, {"memory_gib": "much"}, {"": 1}, {"spot": float("inf")}]
)
def test_amounts_that_nothing_can_have_are_refused(share):
    with pytest.raises(BadInput, match=r"^resources\.score = .*: must be amounts from 0 by name"):
        settings.preset("tiny", {"resources": {"score": share}})


def test_what_is_reserved_is_no_part_of_what_a_run_is():
    made = settings.preset("tiny", {"resources": {"train": {"cpus": 4}, "score": {"gpus": 0.5}}})
    assert made.resources == ResourceSettings(train={"cpus": 4}, score={"gpus": 0.5})
    assert fingerprint(made) == fingerprint(settings.preset("tiny"))
    assert fingerprint(made) != fingerprint(settings.preset("tiny", {"seed": 1}))
    assert settings.from_dict(settings.to_dict(made)) == made


def test_a_first_look_reserves_what_scoring_does():
    asked = ResourceSettings(score={"gpus": 0.5})
    assert asked.of("first-look") == asked.of("score") == {"gpus": 0.5}
    assert asked.of("kit") == asked.of("evaluate") == {}
    assert asked.asked() == {"score": {"gpus": 0.5}}


# Room


@given(node=st.integers(0, 64), each=st.integers(1, 8))
def test_a_node_holds_as_many_as_there_are_whole_times(node, each):
    assert fitting({"CPU": each / 4}, {"CPU": node / 4}) == node // each


def test_the_scarcest_resource_counts():
    assert fitting({"CPU": 1, "GPU": 0.5}, {"CPU": 16, "GPU": 2}) == 4
    assert fitting({"CPU": 1, "spot": 1}, {"CPU": 16}) == 0


def test_room_is_counted_node_by_node_and_reach_by_all_that_may_join():
    here = cluster(({"CPU": 3}, {}), ({"CPU": 3}, {}), kinds=(Kind({"CPU": 16, "GPU": 1}, 8),))
    assert here.room({"CPU": 2}) == 2  # not 6 / 2
    assert here.reach({"CPU": 2}) == 64
    assert here.reach({"CPU": 1, "GPU": 1}) == 8
    assert cluster(({"CPU": 3}, {})).reach({"CPU": 1}) == 3


def test_what_can_never_be_had_is_refused_in_words():
    here = cluster(({"CPU": 4, "node:x": 1}, {}), ({"CPU": 8, "GPU": 1}, {}))
    assert here.refusal({"CPU": 4, "GPU": 0.5}) == ""
    assert here.refusal({"CPU": 2}, 6) == ""
    assert here.refusal({"CPU": 1, "GPU": 2}) == (
        "the cluster has no room for a worker of 1 CPU, 2 GPUs: its nodes have 4 CPUs or 8 CPUs, 1 GPU"
    )
    assert "7 workers of 2 CPUs each" in here.refusal({"CPU": 2}, 7)
    assert here.refusal({"spot": 1}).endswith("its nodes have nothing of it")


def test_what_an_autoscaler_may_add_is_not_refused():
    grows = cluster(({"CPU": 0}, {}), kinds=(Kind({"CPU": 4}, 2),))
    assert grows.refusal({"CPU": 4}, 2) == ""
    unknown = Cluster(grows.nodes, grows=True)  # an autoscaler that does not say what it may add
    assert unknown.refusal({"CPU": 4, "GPU": 8}, 100) == ""
    assert unknown.reach({"CPU": 1}) == ALWAYS_MORE
    assert grows.refusal({"CPU": 4}, 3).endswith("its autoscaler may add no more")


# Waiting


def test_what_is_waited_for_is_what_others_hold():
    busy = cluster(({"CPU": 4}, {"CPU": 1}))
    assert waiting_for({"CPU": 1}, busy, 2) == "waiting for 2 CPUs (4 in all, 3 held by others)"
    assert waiting_for({"CPU": 1}, busy) == ""
    assert waiting_for({"CPU": 1}, cluster(({"CPU": 4}, {}))) == "waiting for 1 CPU (4 in all, 4 held by others)"


def test_what_nobody_has_is_held_by_nobody():
    assert waiting_for({"CPU": 1, "GPU": 1}, cluster(({"CPU": 4}, {"CPU": 4}))) == "waiting for 1 GPU (0 in all)"
    grows = cluster(kinds=(Kind({"CPU": 4}, 2),))
    assert waiting_for({"CPU": 1}, grows) == "waiting for 1 CPU (0 in all); more nodes may join"


def test_what_trainings_leave_their_reads_is_not_told():
    beside = cluster(({"CPU": 4}, {"CPU": 4 - 3 * 0.99}))
    assert waiting_for({"CPU": 0.99}, beside, 2) == "waiting for 2 CPUs (4 in all, 3 held by others)"
    assert said({"CPU": 0.99, "GPU": 0.3333}) == "1 CPU, 0.333 GPU"


def test_memory_is_told_in_gib():
    assert waiting_for({"CPU": 1, "memory": 8 * GIB}, cluster(({"CPU": 4, "memory": 6 * GIB}, {"CPU": 4}))) == (
        "waiting for 8 GiB of memory (6 GiB in all, 6 GiB held by others)"
    )
    assert said({"CPU": 0.5, "GPU": 2, "memory": 1.5 * GIB, "spot": 1}) == "0.5 CPU, 2 GPUs, 1.5 GiB of memory, 1 spot"


def test_enough_in_pieces_is_not_enough():
    pieces = cluster(({"CPU": 2}, {"CPU": 1}), ({"CPU": 2}, {"CPU": 1}))
    assert waiting_for({"CPU": 2}, pieces) == "waiting for 2 CPUs in one place (2 CPUs free, over 2 nodes)"
