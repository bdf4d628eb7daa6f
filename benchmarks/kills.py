"""What a pool loses when something of it falls: a worker, its raylet, the driver, a node that is drained, one that freezes.

    python -m benchmarks.kills --kept kills.jsonl --out docs/results

The pool that scores, attributes, evaluates and checks (``raysep.cluster.shards``), over a Ray of raylets on this machine: a head that
does no work and three nodes of one CPU. Shards sleep, so that what is lost is told apart from what the machine's other work takes,
and leave a file when they are done; one that has its file returns at once, as a finished shard of a run does. When a third of
them is done, something falls on which a shard is:

    worker    kill -9
    raylet    kill -9: its workers end with it
    driver    kill -9, and the same again
    drained   the node is told to go (as on a spot market), and is killed ten seconds later
    frozen    the raylet and its workers are stopped (SIGSTOP), as when a machine hangs

Time lost is that from the first shard's beginning to the last one's end, less that of the pool that was left alone. Every case is a
line of ``--kept`` as soon as it is over, and what has one is not done again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.results import write

CASES = ("nothing", "worker", "raylet", "driver", "drained", "frozen")
NODES, SHARDS, SECONDS = 3, 18, 5.0
DRAINED_SECONDS = 10
PATIENCE = 600.0  # seconds, for a case
ASLEEP = """
def make():
    import os, pathlib, time
    import ray
    folder, node = pathlib.Path({folder!r}), ray.get_runtime_context().get_node_id()
    def run(shard, payload):
        done = folder / f"done-{{shard}}"
        if not done.exists():
            began = time.time()
            (folder / f"begun-{{shard}}-{{os.getpid()}}-{{os.getppid()}}-{{node}}-{{began}}").touch()
            time.sleep({seconds})
            (folder / f"{{shard}}.part").write_text(f"{{time.time()}}")
            (folder / f"{{shard}}.part").rename(done)
        return {{"square": shard * shard}}
    return run
"""


class Case:
    """A pool's folder: what its shards have left there."""

    def __init__(self, folder: Path, address: str) -> None:
        folder.mkdir(parents=True)
        self.folder, self.make, self.address = folder, ASLEEP.format(folder=str(folder), seconds=SECONDS), address
        self.start()

    def start(self) -> None:
        from tests.cluster import drivers

        self.driver: subprocess.Popen[str] = drivers.start_pool(self.address, self.make, count=SHARDS)

    def done(self) -> dict[int, float]:
        """Shard → when it was."""
        return {int(file.name.split("-")[1]): float(file.read_text()) for file in self.folder.glob("done-*")}

    def begun(self) -> list[tuple[int, int, int, str, float]]:
        """Shard, its process, that one's raylet, its node, and when; each try is one."""
        words = (file.name.split("-", 5)[1:] for file in self.folder.glob("begun-*"))
        return [(int(shard), int(own), int(raylet), node, float(began)) for shard, own, raylet, node, began in words]

    def in_hand(self) -> tuple[int, int, int, str, float] | None:
        """The one that was begun last, of those that are not done."""
        done = self.done()
        return max((each for each in self.begun() if each[0] not in done), key=lambda each: each[-1], default=None)


def fall(name: str, case: Case, shard: tuple[int, int, int, str, float]) -> None:
    """Let it fall; what is to be killed later is killed later."""
    _, own, raylet, node, _ = shard
    if name == "worker":
        os.kill(own, signal.SIGKILL)
    elif name == "raylet":
        os.kill(raylet, signal.SIGKILL)
    elif name == "driver":
        case.driver.kill()
        case.driver.wait()
        case.start()
    elif name == "drained":
        drain(case.address, node)
        time.sleep(DRAINED_SECONDS)
        os.kill(raylet, signal.SIGKILL)
    else:
        from tests.end_to_end.processes import descendants

        for number in (raylet, *descendants(raylet)):
            os.kill(number, signal.SIGSTOP)


def drain(address: str, node: str) -> None:
    from importlib import import_module

    reasons = import_module("ray.core.generated.autoscaler_pb2").DrainNodeReason
    asked = import_module("ray._raylet").GcsClient(address=address)
    deadline = time.time_ns() // 1_000_000 + 1000 * DRAINED_SECONDS
    reason = reasons.Value("DRAIN_NODE_REASON_PREEMPTION")
    accepted, words = asked.drain_node(node, reason, "benchmark", deadline)
    if not accepted:
        raise SystemExit(f"the node would not be drained: {words}")


def bury(raylet: int) -> None:
    """What is left of a node, and of its processes."""
    from tests.end_to_end.processes import descendants

    for number in (*descendants(raylet), raylet):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def measured(name: str, folder: Path, address: str) -> tuple[dict[str, Any], int | None]:
    """What came of a case, and the raylet that is no more."""
    from tests.cluster import drivers

    case, lost = Case(folder, address), None
    if name != "nothing":
        drivers.until(lambda: len(case.done()) >= SHARDS // 3 and case.in_hand(), PATIENCE)
        lost = case.in_hand()
        assert lost is not None, "a shard was in hand just now"
        fell_at = time.time()
        fall(name, case, lost)
    found = drivers.result_of(case.driver, PATIENCE)
    begun, done = case.begun(), case.done()
    row = {
        "case": name,
        "seconds": max(done.values()) - min(each[-1] for each in begun),
        "shards_again": len(begun) - SHARDS,
        "same": not found["failed"] and found["done"] == {str(k): {"square": k * k} for k in range(SHARDS)},
        "load": round(os.getloadavg()[0], 1),
    }
    if lost is not None:
        row["until_begun_again"] = max(each[-1] for each in begun if each[0] == lost[0]) - fell_at
        row["was_asleep"] = fell_at - lost[-1]
    return row, lost[2] if lost and name in ("raylet", "drained", "frozen") else None


def page(rows: list[dict[str, Any]]) -> str:
    calm = next(row["seconds"] for row in rows if row["case"] == "nothing")
    lines = [
        f"{SHARDS} shards, each of which sleeps {SECONDS:g} s, on {NODES} nodes of one CPU: undisturbed {calm:.1f} s.\n",
        "| what falls | seconds lost | the shard in hand had slept, s | it was begun again after, s | shards begun again | every result as undisturbed | load |",
        "|---|---:|---:|---:|---:|---|---:|",
    ]
    for row in rows:
        if row["case"] != "nothing":
            again = f"{row['until_begun_again']:.1f}" if row["until_begun_again"] > 0 else "—"
            lines.append(
                f"| {row['case']} | **{row['seconds'] - calm:.1f}** | {row['was_asleep']:.1f} | {again} | {row['shards_again']} | "
                f"{'yes' if row['same'] else 'no'} | {row['load']:.1f} |"
            )
    if left := [name for name in CASES if name not in {row["case"] for row in rows}]:
        lines.append(f"\nNot run: {', '.join(left)}.")
    return "\n".join(lines)


def main() -> None:
    from benchmarks.scaling import keep, kept_in
    from tests.cluster import drivers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results")
    parser.add_argument("--kept", type=Path, required=True, help="file of cases, JSON lines, to go on from")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    arguments = parser.parse_args()
    there = {row["case"] for row in kept_in(arguments.kept)}
    if left := [name for name in arguments.cases if name not in there]:
        cluster, names = drivers.Nodes(), iter(range(1000))
        try:
            for _ in range(NODES):
                cluster.add(f"node-{next(names)}", num_cpus=1)
            with tempfile.TemporaryDirectory() as folder:
                for name in left:
                    row, lost = measured(name, Path(folder) / name, cluster.address)
                    keep(arguments.kept, row)
                    if lost is not None:
                        bury(lost)
                        cluster.add(f"node-{next(names)}", num_cpus=1)
        finally:
            cluster.end()
    rows = sorted(kept_in(arguments.kept), key=lambda row: CASES.index(row["case"]))
    about = "all nodes on this one machine, whose cores other work shared"
    write(
        arguments.out,
        "kills",
        "What a pool loses when something falls",
        "python -m benchmarks.kills --kept FILE",
        about,
        page(rows),
        {"cases": rows},
    )
    print(page(rows))


if __name__ == "__main__":
    main()
