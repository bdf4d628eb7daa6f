"""A pool of workers on 1, 2, 4 and 8 nodes: how much of their time they work, and what real audio costs on one worker and on more.

    python -m benchmarks.scaling --kept scaling.jsonl --out docs/results

Every node is a raylet of this machine with one logical CPU, beside a head that does no work.

Fixed cost: shards that sleep, as many for each node, so that a shard takes the same time however many nodes share the machine's
cores. Efficiency is what was slept of what could have been: in the steady part, from when every worker has begun a shard to when
the first one finds none left, and in all, from the first shard's beginning to the last one's end, with the workers that are still
to come and the tail.

Real audio: `raysep check` of rendered songs, on one node and on two, in turns; the processor's seconds that the workers tell of
their shards, by the log of the run. What they sum up to must not grow with the nodes.

Every measurement is a line of ``--kept`` as soon as it is made, and what has one is not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.results import write

SIZES = (1, 2, 4, 8)
SHARDS, SECONDS = 8, 10.0  # of a node, each asleep: a run deals shards of about a minute
SONGS, SONG_SECONDS, SONG_RATE = 12, 12.0, 22_050
ROUNDS, WORKERS = 3, (1, 2)
LEAST_EFFICIENCY, MOST_APART = 0.9, 0.1
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


# Real audio


def awake(corpus: Path, out: Path, nodes: int) -> dict[str, Any]:
    """What a check of the corpus costs its workers, on a cluster of so many nodes."""
    from tests.cluster import drivers

    cluster = drivers.Nodes()
    try:
        for number in range(nodes):
            cluster.add(f"node-{number}", num_cpus=1)
        words = [
            "raysep",
            "check",
            str(corpus),
            "--out",
            str(out),
            "--no-sound",
            "--quiet",
            "--address",
            cluster.address,
        ]
        driver = drivers.start(
            f"import sys; sys.argv = {words!r}; from raysep.cli import main; main()",
            RAYSEP_SHARED_FOLDERS="1",
            OMP_NUM_THREADS="1",
        )
        _, error = driver.communicate()
    finally:
        cluster.end()
    if driver.returncode not in (0, 3):  # 3: it found something that should be looked at
        raise SystemExit(f"the check ended with code {driver.returncode}: {error}")
    return {"workers": nodes, **costs(out), "load": round(os.getloadavg()[0], 1)}


def costs(out: Path) -> dict[str, Any]:
    """The workers' seconds of a check's shards, of the processor and by the clock, and how many workers had one at the same time."""
    from raysep import events

    done = [event for event in events.read(str(out)) if event["kind"] == "shard-done"]
    resized = [event["workers"] for event in events.read(str(out)) if event["kind"] == "pool-resized"]
    return {
        "shards": len(done),
        "up": max(resized, default=0),
        "processor_seconds": sum(event["cpu_seconds"] for event in done),
        "seconds": sum(event["seconds"] for event in done),
    }


# The page


def page(rows: list[dict[str, Any]], real: list[dict[str, Any]]) -> str:
    return "\n".join([*(of_sleep(rows) if rows else []), *(of_songs(real) if real else [])])


def of_sleep(rows: list[dict[str, Any]]) -> list[str]:
    worst = min(row["steady"] for row in rows)
    return [
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


def of_songs(real: list[dict[str, Any]]) -> list[str]:
    by = {
        workers: [row for row in real if row["workers"] == workers] for workers in sorted({r["workers"] for r in real})
    }
    medians = {workers: statistics.median(row["processor_seconds"] for row in each) for workers, each in by.items()}
    apart = {workers: median / medians[1] - 1 for workers, median in medians.items() if workers > 1}
    worst = max(apart.values(), key=abs)
    return [
        f"\n## Real audio\n\n{SONGS} rendered songs of {SONG_SECONDS:g} s at {SONG_RATE} Hz, {real[0]['shards']} shards, rounds in turns.\n",
        "| workers | most that were up | processor, s, round by round | median | load |",
        "|---:|---:|---|---:|---|",
        *(
            f"| {workers} | {max(row['up'] for row in each)} | {told(each, 'processor_seconds')} | {medians[workers]:.2f} | {told(each, 'load')} |"
            for workers, each in by.items()
        ),
        f"\nTarget: within {MOST_APART:.0%} of one worker's: {'met' if abs(worst) <= MOST_APART else 'missed'}, {worst:+.1%} by the medians.",
    ]


def told(rows: list[dict[str, Any]], name: str) -> str:
    return ", ".join(f"{row[name]:.1f}" for row in rows)


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


def measure_songs(rounds: int, file: Path, folder: Path) -> None:
    from raysep.corpus.songs.synthesis import synthesise

    turns = [(number, workers) for number in range(rounds) for workers in WORKERS]
    there = {(row["round"], row["workers"]) for row in kept_in(file) if "round" in row}
    if not (left := [turn for turn in turns if turn not in there]):
        return
    synthesise(str(folder / "songs"), SONGS, SONG_SECONDS, SONG_RATE, 3, workers=1, prefix="song")
    for number, workers in left:
        keep(file, {"round": number, **awake(folder / "songs", folder / f"out-{number}-{workers}", workers)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results")
    parser.add_argument("--kept", type=Path, required=True, help="file of measurements, JSON lines, to go on from")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="nodes, of the fixed cost")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the real audio; 0 = none")
    arguments = parser.parse_args()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        measure_sleep(arguments.sizes, arguments.kept)
        measure_songs(arguments.rounds, arguments.kept, Path(folder))
    rows = kept_in(arguments.kept)
    slept = sorted((row for row in rows if "nodes" in row), key=lambda row: row["nodes"])
    real = [row for row in rows if "round" in row]
    write(
        arguments.out,
        "scaling",
        "A pool on several nodes",
        "python -m benchmarks.scaling --kept FILE",
        f"seed 3, {time.perf_counter() - begin:.0f} s; all nodes on this one machine, whose cores other work shared",
        page(slept, real),
        {"asleep": slept, "songs": real},
    )
    print(page(slept, real))


if __name__ == "__main__":
    main()
