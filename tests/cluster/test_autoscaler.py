"""An autoscaler at work: Ray's own, with a provider that starts raylets on this machine in place of instances."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from tests.cluster import drivers

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.alone]

HEAD = "f" * 51 + "00000"  # the head's id, by which the provider knows it
TRIES = 3
PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("", 0))
        return found.getsockname()[1]


def configured(address: str) -> dict:
    """A head without CPUs, whose autoscaler may start two nodes of one CPU."""
    nothing = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    return {
        "cluster_name": "fake",
        "max_workers": 2,
        # As a provider from outside: the defaults of its own name are not in Ray's package.
        "provider": {"type": "external", "module": PROVIDER, "gcs_address": address, "head_node_id": HEAD},
        "auth": {"ssh_user": "nobody"},
        "docker": {},
        "idle_timeout_minutes": 5,
        "upscaling_speed": 1.0,
        **{f"{name}_commands": [] for name in nothing},
        **{"file_mounts": {}, "cluster_synced_files": [], "file_mounts_sync_continuously": False},
        **{"rsync_exclude": [], "rsync_filter": []},
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "cpu": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
        },
    }


def start_head(folder: Path, address: str) -> subprocess.Popen:
    config = folder / "cluster.yaml"
    config.write_text(yaml.safe_dump(configured(address)))
    ports = ("ray-client-server-port", "dashboard-port", "dashboard-agent-listen-port")
    options = [f"--port={address.rpartition(':')[2]}", *(f"--{name}={free_port()}" for name in ports)]
    options += ["--num-cpus=0", "--include-dashboard=false", "--min-worker-port=0", "--max-worker-port=0", "--block"]
    options += [f"--autoscaling-config={config}", f"--temp-dir={folder}"]
    return subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", *options],
        env=os.environ
        | {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_enable_autoscaler_v2": "1"}
        | {"RAY_CLOUD_INSTANCE_ID": HEAD, "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD},
        stdout=(folder / "out").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def nodes(address: str) -> int:
    """Nodes that are up; none while the head does not answer."""
    from ray.autoscaler.v2.sdk import get_cluster_status

    if not drivers.answers(address):
        return 0
    with contextlib.suppress(Exception):
        status = get_cluster_status(address)
        return len(status.active_nodes) + len(status.idle_nodes)
    return 0


@pytest.fixture
def head():
    """The address of such a head. Ray gives up on one that is not up within 30 s: on a busy machine it takes another try."""
    import ray._private.services as services

    with contextlib.ExitStack() as left:
        for _ in range(TRIES):
            # Sockets lie below it: it must be short.
            folder = Path(left.enter_context(tempfile.TemporaryDirectory(prefix="rs", ignore_cleanup_errors=True)))
            address = f"{services.get_node_ip_address()}:{free_port()}"
            started = start_head(folder, address)
            left.callback(drivers.end_group, started)
            drivers.until(lambda started=started, address=address: started.poll() is not None or nodes(address))
            if started.poll() is None:
                break
            print((folder / "out").read_text())
        yield address


def test_demand_is_seen_satisfied_and_withdrawn(head, tmp_path):
    """From no CPU at all: pending workers are what the autoscaler goes by, and nothing of them is left in the end."""
    from ray.autoscaler.v2.sdk import get_cluster_status

    make = f"""
def make():
    import pathlib, time
    import ray
    here, folder = ray.get_runtime_context().get_node_id(), pathlib.Path({str(tmp_path)!r})
    def run(shard, payload):
        (folder / here).touch()
        while len(list(folder.iterdir())) < 2:  # nothing is done before both nodes are used
            time.sleep(0.05)
        return {{"node": here}}
    return run
"""
    found = drivers.result_of(drivers.start_pool(head, make, count=4, most_workers=2, patience=0.5))
    assert found["failed"] == {}
    assert sorted(found["done"]) == list("0123")
    assert len({counts["node"] for counts in found["done"].values()} - {HEAD}) == 2
    texts = [facts["text"] for kind, facts in found["events"] if kind == "waiting"]
    assert texts[0] == "waiting for 1 CPU (0 in all); more nodes may join"
    assert nodes(head) == 3  # two were started, and no more
    drivers.until(lambda: get_cluster_status(head).resource_demands.ray_task_actor_demand == [])
