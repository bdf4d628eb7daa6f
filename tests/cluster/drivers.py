"""Drivers of their own process: what joins a cluster that this process is not a part of."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Runs ``shards.run_shards`` of a function ``make`` over the shards 0, 1, …, and prints a line of what came of it.
POOL = """
import json, sys
from raysep.cluster import elastic, session
from raysep.cluster.shards import run_shards
{make}
options = json.loads(sys.argv[2])
elastic.PATIENCE = options.pop("patience", elastic.PATIENCE)
done, events, count, told = {{}}, [], options.pop("count"), options.pop("told", None)
def on_event(kind, **facts):
    events.append([kind, facts])
    if kind == "waiting" and told:
        open(told, "w").close()
with session.session(sys.argv[1]) as available:
    failed = run_shards(make, dict.fromkeys(range(count)), available, on_done=done.__setitem__, on_event=on_event, **options)
print(json.dumps({{"failed": failed, "done": done, "events": events}}))
"""


# A cluster of raylets on this machine, told by lines what is to become of it.
NODES = """
import json, sys
from ray.cluster_utils import Cluster
cluster, nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0}), {}
print(cluster.address, flush=True)
for line in sys.stdin:
    name, arguments = json.loads(line)
    if arguments is None:
        cluster.remove_node(nodes.pop(name), allow_graceful=False)
    else:
        nodes[name] = cluster.add_node(**arguments)
    print(name, flush=True)
cluster.shutdown()
"""


class Nodes:
    """A head that does no work, and nodes that come and go.

    It has a process of its own: Ray's helper turns what its process is connected to over to the cluster that it makes.
    """

    def __init__(self) -> None:
        self.helper = subprocess.Popen(
            [sys.executable, "-c", NODES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.address = self._answer()

    def add(self, name: str, **arguments: Any) -> None:
        self._tell(name, arguments)

    def remove(self, name: str) -> None:
        """At once, as an instance goes that is taken away; returns when the cluster has noticed."""
        before = nodes_up(self.address)
        self._tell(name, None)
        until(lambda: nodes_up(self.address) < before)

    def end(self) -> None:
        self.helper.communicate(timeout=60)

    def _tell(self, name: str, arguments: dict[str, Any] | None) -> None:
        self.helper.stdin.write(json.dumps([name, arguments]) + "\n")
        self.helper.stdin.flush()
        assert self._answer() == name

    def _answer(self) -> str:
        return self.helper.stdout.readline().strip()


def nodes_up(address: str) -> int:
    from ray.autoscaler.v2.sdk import get_cluster_status

    status = get_cluster_status(address)
    return len(status.active_nodes) + len(status.idle_nodes)


def start(script: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def start_pool(address: str, make: str, **options: Any) -> subprocess.Popen[str]:
    return start(POOL.format(make=make), address, json.dumps(options))


def result_of(driver: subprocess.Popen[str], seconds: float = 240) -> Any:
    """What a pool's driver printed. Fails with what it said when it ended otherwise."""
    try:
        out, err = driver.communicate(timeout=seconds)
    finally:
        driver.kill()
    assert driver.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def until(holds: Callable[[], Any], seconds: float = 120) -> float:
    """Wait until it holds; the seconds that took. They are many: the machine may be busy."""
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < seconds, "did not come about"
        time.sleep(0.1)
    return time.monotonic() - begin


def lines_of(folder: Path) -> list[list[str]]:
    """The names of the files in a folder, at their dashes: what workers leave to be seen by."""
    return sorted(path.name.split("-") for path in folder.iterdir())


def answers(address: str) -> bool:
    """Whether a head is up."""
    host, port = address.split(":")
    with socket.socket() as asked:
        return asked.connect_ex((host, int(port))) == 0


def end_group(leader: subprocess.Popen) -> None:
    """End a process that began a session of its own, and all that it started."""
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(leader.pid, number)
            leader.wait(patience)
