"""A pool of workers on 1, 2, 4 and 8 nodes: how much of their time they work.

    python -m benchmarks.scaling --kept scaling.jsonl --out docs/results

Every node is a raylet of this machine with one logical CPU, beside a head that does no work.

Fixed cost: shards that sleep, as many for each node, so that a shard takes the same time however many nodes share the machine's
cores. Efficiency is what was slept of what could have been: in the steady part, from when every worker has begun a shard to when
the first one finds none left, and in all, from the first shard's beginning to the last one's end, with the workers that are still
to come and the tail.

Every measurement is a line of ``--kept`` as soon as it is made, and what has one is not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.results import write

SIZES = (1, 2, 4, 8)
SHARDS, SECONDS = 8, 10.0  # of a node, each asleep: a run deals shards of about a minute
LEAST_EFFICIENCY = 0.9
ASLEEP = """
def make():
    import time
    import ray
    node = ray.get_runtime_context().get_node_id()
    def run(shard, payload):
        began = time.time()
        time.sleep({seconds})
        return {{"node": node, "began": began, "ended": time.time()}}
    return run
"""


# Fixed cost


def asleep(cluster: Any, nodes: int) -> dict[str, Any]:
    """Of a pool on the cluster's nodes, which are so many."""
    from tests.cluster import drivers

    driver = drivers.start_pool(cluster.address, ASLEEP.format(seconds=SECONDS), count=SHARDS * nodes)
    found = drivers.result_of(driver, 120 + 10 * SHARDS * SECONDS)
    if found["failed"]:
        raise SystemExit(f"shards failed: {found['failed']}")
    return {"nodes": nodes, **efficiency(list(found["done"].values()), nodes), "load": round(os.getloadavg()[0], 1)}


def efficiency(shards: list[dict[str, Any]], nodes: int) -> dict[str, Any]:
    """How much of the nodes' time was slept, by when each shard began and ended and where; see above."""
    workers = [[each for each in shards if each["node"] == node] for node in sorted({each["node"] for each in shards})]
    first, last = min(each["began"] for each in shards), max(each["ended"] for each in shards)
    begin = max(min(each["began"] for each in own) for own in workers)
    end = min(max(each["ended"] for each in own) for own in workers)
    slept = sum(SECONDS * overlap(each, begin, end) / (each["ended"] - each["began"]) for each in shards)
    return {
        "workers": len(workers),
        "shards": len(shards),
        "seconds": last - first,
        "in_all": SECONDS * len(shards) / (nodes * (last - first)),
        "until_all": begin - first,
        "steady_seconds": max(0.0, end - begin),
        "steady": slept / (nodes * (end - begin)) if end > begin else None,
    }


def overlap(shard: dict[str, Any], begin: float, end: float) -> float:
    return max(0.0, min(shard["ended"], end) - max(shard["began"], begin))


# The page


def page(rows: list[dict[str, Any]]) -> str:
    worst = min(row["steady"] for row in rows)
    lines = [
        f"{SHARDS} shards a node, each of which sleeps {SECONDS:g} s.\n",
        "| nodes | workers | shards | seconds | of these until all workers had one | efficiency in all | steady, s | efficiency, steady | load |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {row['nodes']} | {row['workers']} | {row['shards']} | {row['seconds']:.1f} | {row['until_all']:.1f} | {row['in_all']:.0%} | "
            f"{row['steady_seconds']:.1f} | **{row['steady']:.1%}** | {row['load']:.1f} |"
            for row in rows
        ),
        f"\nTarget: {LEAST_EFFICIENCY:.0%} at every size: {'met' if worst >= LEAST_EFFICIENCY else 'missed'} in the steady part, "
        f"{worst:.1%}; in all, with the start of the workers, it is {min(row['in_all'] for row in rows):.0%} at the least.",
    ]
    return "\n".join(lines)


# All of it


def kept_in(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def keep(file: Path, row: dict[str, Any]) -> None:
    with file.open("a") as lines:
        lines.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


def measure_sleep(sizes: list[int], file: Path) -> None:
    from tests.cluster import drivers

    there = {row["nodes"] for row in kept_in(file) if "nodes" in row}
    if not (left := sorted({*sizes} - there)):
        return
    cluster, up = drivers.Nodes(), 0
    try:
        for nodes in left:
            while up < nodes:
                cluster.add(f"node-{up}", num_cpus=1)
                up += 1
            keep(file, asleep(cluster, nodes))
    finally:
        cluster.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results")
    parser.add_argument("--kept", type=Path, required=True, help="file of measurements, JSON lines, to go on from")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="nodes, of the fixed cost")
    arguments = parser.parse_args()
    begin = time.perf_counter()
    measure_sleep(arguments.sizes, arguments.kept)
    rows = kept_in(arguments.kept)
    slept = sorted((row for row in rows if "nodes" in row), key=lambda row: row["nodes"])
    write(
        arguments.out,
        "scaling",
        "A pool on several nodes",
        "python -m benchmarks.scaling --kept FILE",
        f"{time.perf_counter() - begin:.0f} s; all nodes on this one machine, whose cores other work shared",
        page(slept),
        {"asleep": slept},
    )
    print(page(slept))


if __name__ == "__main__":
    main()
