"""Several nodes, each a raylet of its own on this machine: some join, some leave, and runs share them."""

from __future__ import annotations

import json

import pytest

from tests.cluster import drivers

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.alone]


@pytest.fixture(scope="module")
def cluster():
    """A head that does no work and a node of two CPUs."""
    made = drivers.Nodes()
    made.add("first", num_cpus=2)
    yield made
    made.end()


@pytest.fixture
def other_node(cluster):
    """Two CPUs more while a test runs."""
    cluster.add("other", num_cpus=2)
    yield
    cluster.remove("other")


def test_a_node_that_joins_is_used_and_one_that_leaves_costs_its_shard(cluster, tmp_path):
    trace, free = tmp_path / "trace", tmp_path / "free"
    trace.mkdir()
    make = f"""
def make():
    import pathlib, time
    import ray
    here = ray.get_runtime_context().get_node_id()
    new = "late" in ray.cluster_resources() and any("late" in n["Resources"] for n in ray.nodes() if n["NodeID"] == here)
    def run(shard, payload):
        pathlib.Path({str(trace)!r}, f"{{shard}}-{{'new' if new else 'old'}}").touch()
        while new or not pathlib.Path({str(free)!r}).exists():
            time.sleep(0.05)
        return {{"new": new}}
    return run
"""
    driver = drivers.start_pool(cluster.address, make, count=6)
    drivers.until(lambda: len(drivers.lines_of(trace)) == 2)
    cluster.add("late", num_cpus=1, resources={"late": 1})
    drivers.until(lambda: ["2", "new"] in drivers.lines_of(trace))
    cluster.remove("late")
    free.touch()
    found = drivers.result_of(driver)
    assert found["failed"] == {}
    assert sorted(found["done"]) == list("012345")
    assert not any(counts["new"] for counts in found["done"].values())
    retried = [facts["shard"] for kind, facts in found["events"] if kind == "retry"]
    assert retried == [2]  # the one that it had in hand
    assert [facts["workers"] for kind, facts in found["events"] if kind == "resized"][:3] == [1, 2, 3]


def test_what_workers_post_to_lies_on_the_node_of_the_driver(cluster, other_node):
    """Where it ends with the driver and with nobody else: a node that is lost would take it along."""
    script = f"""
import ray
from raysep.cluster import board, session
where = lambda self=None: ray.get_runtime_context().get_node_id()
with session.session({cluster.address!r}):
    for _ in range(6):
        with board.board(lambda *latest: None) as posted:
            print(ray.get(posted.__ray_call__.remote(where)) == where())
"""
    out, err = drivers.start(script).communicate(timeout=120)
    assert out.split() == ["True"] * 6, err


def test_two_trainings_at_once_end_on_as_many_cpus_as_both_reserve(cluster, other_node, tmp_path, write_tracks):
    """Each leaves its reads their place, whatever else takes the cluster."""
    corpus = write_tracks(tmp_path / "corpus", ["one", "two", "three", "four"])
    trained = []
    for number in (1, 2):
        words = ["raysep", "train", corpus, "--out", str(tmp_path / f"run{number}"), "--address", cluster.address]
        words += ["--preset", "smallest", "--set", "training.steps=2", "--set", f"seed={number}", "--quiet"]
        script = f"import sys; sys.argv = {words!r}; from raysep.cli import main; main()"
        trained.append(drivers.start(script, RAYSEP_SHARED_FOLDERS="1"))
    for driver in trained:
        _, err = driver.communicate(timeout=400)
        assert driver.returncode == 0, err
    for number in (1, 2):
        record = json.loads((tmp_path / f"run{number}" / "run.json").read_text())
        assert record["cluster"]["cpus"] == 4


def test_what_is_waited_for_is_said_and_waiting_ends(cluster, tmp_path):
    """Another run has all CPUs; a second stands still, says why, and goes on when the first has ended."""
    told = str(tmp_path / "told")
    make = f"""
def make():
    import os, time
    def run(shard, payload):
        while not os.path.exists({told!r}):
            time.sleep(0.05)
        return {{}}
    return run
"""
    first = drivers.start_pool(cluster.address, make, count=2)
    drivers.until(lambda: held(cluster.address) == 2)
    found = drivers.result_of(drivers.start_pool(cluster.address, make, count=1, patience=1.0, told=told))
    assert [facts["text"] for kind, facts in found["events"] if kind == "waiting"] == [
        "waiting for 1 CPU (2 in all, 2 held by others)"
    ]
    assert sorted(found["done"]) == ["0"]
    assert drivers.result_of(first)["failed"] == {}


def held(address: str) -> float:
    """CPUs that somebody has."""
    from ray.autoscaler.v2.sdk import get_cluster_status

    status = get_cluster_status(address)
    usage = [u for node in status.active_nodes for u in node.resource_usage.usage if u.resource_name == "CPU"]
    return sum(u.used for u in usage)


def test_a_machine_of_one_cpu_trains_with_two_processes(tmp_path, write_tracks):
    corpus = write_tracks(tmp_path / "corpus", ["one", "two"])
    words = ["raysep", "train", corpus, "--out", str(tmp_path / "run"), "--preset", "smallest", "--quiet"]
    script = (
        f"import sys; sys.argv = {[*words, '--set', 'training.steps=2']!r}\n"
        "from raysep.cluster import session\n"
        "with session.session('local', cpus=1):\n"
        "    from raysep.cli import main; main()\n"
    )
    driver = drivers.start(script)
    _, err = driver.communicate(timeout=400)
    assert driver.returncode == 0, err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["cluster"]["cpus"] == 1
