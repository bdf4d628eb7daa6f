"""What is lost when something is killed, stage by stage: a worker, its raylet, the driver, a drained node, a frozen one.

    python -m benchmarks.kills --work /tmp/kills --out docs/results

A cleaning of the smallest preset, with the search, over a Ray of raylets on this machine: a head that does no work and three nodes
of one CPU. One run is left alone. In each of the others something falls in every stage, and what it falls on is replaced when the
stage is over:

    worker    a process that works for the stage: kill -9
    raylet    that of the node on which such a process is: kill -9, its workers end with it
    driver    kill -9, and the same command again
    drained   such a node is told to go (as on a spot market), and is gone ten seconds later
    frozen    such a node's raylet and all its processes are stopped (SIGSTOP), as when a machine hangs

Trainings fall when they have saved a state, pools when a shard is done, all else after half the time that the undisturbed run took.
Scan and plant are the driver's own: nothing else has a part in them. Time lost is that from the beginning of the stage to its end, less
that of the run that was left alone. In the end the decision, the search and the results are compared with that run's.

Each case is a line in ``FOLDER/cases.jsonl``, and what has one is not done again; ``--apart`` gives every case a run of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.results import write

STAGES = ("scan", "plant", "train", "attribute", "score", "search", "retrain", "evaluate")
VICTIMS = ("worker", "raylet", "driver", "drained", "frozen")
OF_DRIVER = ("scan", "plant")  # stages of which no worker has a part
TITLES = {"train": "RayTrainWorker", "retrain": "RayTrainWorker", "search": "ImplicitFunc"}  # else a pool's
POOLED = "ray::_Worker"
STATES = {"train": "training", "retrain": "training", "search": "search"}  # folders of the run
SETTINGS = (
    "training.steps=40",
    "training.save_every=10",
    "scoring.shards=8",
    "search.steps=10",
    "scoring.fisher_shards=4",
)
DRAINED_SECONDS = 10
NODES = 3
PATIENCE = 1800.0  # seconds, for a stage
SPARED = "nothing of it is there"


# What a run is told, and tells


def corpora(folder: Path) -> dict[str, str]:
    """Songs of six seconds with faults, trusted ones, and some to be judged by; made once."""
    from raysep.corpus.contamination import contaminate
    from raysep.corpus.songs.synthesis import synthesise

    names = {name: str(folder / name) for name in ("corpus", "reference", "test")}
    if not (folder / "made").exists():
        for name, songs, seed in (("clean", 10, 1), ("reference", 9, 2), ("test", 2, 3)):
            synthesise(str(folder / name), songs, 6.0, 8000, seed, workers=1, prefix=name)
        contaminate(str(folder / "clean"), names["corpus"], str(folder / "truth.parquet"), 0.4, seed=1, workers=1)
        (folder / "made").touch()
    return names


def start(given: dict[str, str], out: Path, address: str) -> subprocess.Popen[str]:
    words = ["clean", given["corpus"], "--reference", given["reference"], "--test", given["test"], "--out", str(out)]
    words += ["--preset", "smallest", "--search", "--address", address]
    words += [word for each in SETTINGS for word in ("--set", each)]
    return subprocess.Popen(
        [sys.executable, "-m", "raysep", *words],
        stdout=subprocess.DEVNULL,
        stderr=(out.parent / f"{out.name}.log").open("a"),
        text=True,
        env=os.environ | {"RAYSEP_SHARED_FOLDERS": "1", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def told(out: Path) -> list[dict[str, Any]]:
    from raysep import events

    return events.read(str(out)) if out.exists() else []


def moment(events: Iterable[dict[str, Any]], kind: str, stage: str | None = None) -> float | None:
    """When it was told first, in seconds since 1970; None where it was not."""
    found = (event["at"] for event in events if event["kind"] == kind and stage in (None, event.get("stage")))
    return next((datetime.fromisoformat(stamp).timestamp() for stamp in found), None)


def spans(begun: float, events: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Stage → when it began, of any driver, and when it ended; ``scan`` is all before the run's first word."""
    first = moment(events, "run-begun")
    found = {"scan": (begun, first)} if first else {}
    for stage in STAGES[1:]:
        ends = moment(events, "stage-begun", stage), moment(events, "stage-ended", stage)
        if ends[0] and ends[1]:
            found[stage] = (ends[0], ends[1])
    return found


# What falls


class Cluster:
    """The nodes, each of which can be found among this machine's processes."""

    def __init__(self) -> None:
        from tests.cluster import drivers

        self.made = drivers.Nodes()
        self.address = self.made.address
        self.nodes: dict[str, Any] = {}
        self.count = 0
        self.fill()

    def fill(self) -> None:
        while len(self.nodes) < NODES:
            self.count += 1
            name = f"node-{self.count}"
            self.nodes[name] = self.made.add(name, num_cpus=1)

    def working(self, title: str) -> tuple[str, int] | None:
        """A node and a process on it that bears the title; None where no node has one."""
        from tests.end_to_end.processes import descendants

        for name, node in self.nodes.items():
            for number, words in descendants(node.raylet).items():
                if title in words:
                    return name, number
        return None

    def freeze(self, name: str) -> None:
        from tests.end_to_end.processes import descendants

        for number in (self.nodes[name].raylet, *descendants(self.nodes[name].raylet)):
            os.kill(number, signal.SIGSTOP)

    def bury(self, name: str) -> None:
        """What is left of a node, and of its processes."""
        from tests.end_to_end.processes import descendants

        for number in descendants(self.nodes[name].raylet):
            _kill(number)
        self.made.bury(name)
        del self.nodes[name]

    def drain(self, name: str) -> None:
        from importlib import import_module

        reasons = import_module("ray.core.generated.autoscaler_pb2").DrainNodeReason
        asked = import_module("ray._raylet").GcsClient(address=self.address)
        deadline = (time.time_ns() // 1_000_000) + 1000 * DRAINED_SECONDS
        reason = reasons.Value("DRAIN_NODE_REASON_PREEMPTION")
        accepted, words = asked.drain_node(self.nodes[name].node_id, reason, "benchmark", deadline)
        if not accepted:
            raise SystemExit(f"{name} would not be drained: {words}")

    def end(self) -> None:
        self.made.end()


def _kill(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def fell(victim: str, stage: str, cluster: Cluster, driver: subprocess.Popen[str]) -> str | None:
    """Let it fall; the node that is to be replaced, "" for none; None where there was nothing to fall."""
    if victim == "driver":
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        return ""
    found = cluster.working(TITLES.get(stage, POOLED))
    if found is None:
        return None
    name, number = found
    if victim == "worker":
        _kill(number)
        return ""
    if victim == "raylet":
        _kill(cluster.nodes[name].raylet)
    elif victim == "drained":
        cluster.drain(name)
    else:
        cluster.freeze(name)
    return name


def in_the_middle(stage: str, out: Path, calm: float, begun: float) -> bool:
    """Whether a stage, ``scan`` of a driver that began then, has something to lose; ``calm``: seconds that it takes undisturbed."""
    events = told(out)
    if stage == "scan":
        return time.time() >= begun + calm / 2
    since = moment(events, "stage-begun", stage)
    if since is None:
        return False
    if folder := STATES.get(stage):
        return newest(out / folder) > since
    if stage in ("attribute", "score", "evaluate"):
        return moment(events, "shard-done", stage) is not None
    return time.time() >= since + calm / 2


def newest(folder: Path) -> float:
    """When the last state in a folder was saved; 0 where there is none."""
    found = 0.0
    for path in folder.glob("**/checkpoint_*"):
        with contextlib.suppress(FileNotFoundError):  # a later one has taken its place
            found = max(found, path.stat().st_mtime)
    return found


# Cases


def undisturbed(given: dict[str, str], work: Path, cluster: Cluster) -> dict[str, float]:
    """Stage → seconds; the run is made once."""
    facts = work / "calm.json"
    if not facts.exists():
        out = work / "calm"
        begun = time.time()
        driver = start(given, out, cluster.address)
        if driver.wait():
            raise SystemExit(f"the undisturbed run ended with code {driver.returncode}: see {out}.log")
        found = spans(begun, told(out))
        facts.write_text(json.dumps({stage: end - first for stage, (first, end) in found.items()}), encoding="utf-8")
    return dict(json.loads(facts.read_text(encoding="utf-8")))


def disturbed(
    victim: str, stages: list[str], given: dict[str, str], out: Path, cluster: Cluster, calm: dict[str, float]
) -> list[dict[str, Any]]:
    """A run in each of whose ``stages`` the victim falls; a case each."""
    begun = time.time()
    driver = start(given, out, cluster.address)
    hit: dict[str, bool] = {}
    for stage in stages:
        lost = None
        while lost is None and not over(stage, out) and driver.poll() is None:
            if in_the_middle(stage, out, calm[stage], begun):
                lost = fell(victim, stage, cluster, driver)
            time.sleep(0.02)
        hit[stage] = lost is not None
        if victim == "driver" and hit[stage]:
            driver = start(given, out, cluster.address)
        until(lambda stage=stage, driver=driver: over(stage, out) or driver.poll() is not None)  # type: ignore[misc]
        if lost:
            if victim == "drained":
                time.sleep(DRAINED_SECONDS)
            cluster.bury(lost)
        cluster.fill()
    code, found = driver.wait(), spans(begun, told(out))
    same = agreement(out, out.parent / "calm") if code == 0 else {}
    return [
        {"victim": victim, "stage": stage, "hit": hit[stage], "code": code, "together": len(stages), **same}
        | ({"seconds": found[stage][1] - found[stage][0], "undisturbed": calm[stage]} if stage in found else {})
        | {"load": os.getloadavg()[0]}
        for stage in stages
    ]


def over(stage: str, out: Path) -> bool:
    events = told(out)
    return (
        moment(events, "run-begun") is not None if stage == "scan" else moment(events, "stage-ended", stage) is not None
    )


def until(holds: Callable[[], bool]) -> None:
    begin = time.monotonic()
    while not holds():
        if time.monotonic() - begin > PATIENCE:
            raise SystemExit("a stage did not end")
        time.sleep(0.1)


def agreement(out: Path, calm: Path) -> dict[str, bool]:
    """Which tables are those of the undisturbed run, to the bit."""
    from raysep.rundir import Run

    tables = {"decision": "decision.parquet", "search": "search.parquet", "results": "results.parquet"}
    return {name: Run(str(out)).read_table(file) == Run(str(calm)).read_table(file) for name, file in tables.items()}


# The page


def page(cases: list[dict[str, Any]], calm: dict[str, float]) -> str:
    known = {(case["victim"], case["stage"]): case for case in cases}
    lines = [
        "Seconds lost, and in brackets those of the stage undisturbed. Where no other word stands, the decision, the table of the search "
        "and the results are those of the undisturbed run, to the bit.\n",
        f"| what falls | {' | '.join(f'{stage} ({calm[stage]:.0f})' for stage in STAGES)} |",
        f"|---|{'---:|' * len(STAGES)}",
        *(
            f"| {victim} | {' | '.join(cell(victim, stage, known.get((victim, stage))) for stage in STAGES)} |"
            for victim in VICTIMS
        ),
    ]
    wanted = sum(stage not in OF_DRIVER or victim == "driver" for victim in VICTIMS for stage in STAGES)
    done = [case for case in cases if case["hit"]]
    lines.append(f"\n{len(done)} of {wanted} cases were run. —: {SPARED}.")
    if any(case["together"] > 1 for case in cases):
        lines.append(
            "What falls fell in every stage of one and the same run, so what is compared in the end has gone through all of it."
        )
    return "\n".join(lines)


def cell(victim: str, stage: str, case: dict[str, Any] | None) -> str:
    if victim != "driver" and stage in OF_DRIVER:
        return "—"
    if case is None:
        return "not run"
    if not case["hit"]:
        return "not hit: over too soon"
    if case["code"]:
        return f"ended with code {case['code']}"
    other = [name for name in ("decision", "search", "results") if not case[name]]
    differs = f" (other: {', '.join(other)})" if other else ""
    return f"{case['seconds'] - case['undisturbed']:.0f}{differs}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, help="folder of the runs, and of cases.jsonl; to be kept to go on")
    parser.add_argument("--out", default="docs/results")
    parser.add_argument("--victims", nargs="*", default=VICTIMS, choices=VICTIMS)
    parser.add_argument("--stages", nargs="*", default=STAGES, choices=STAGES)
    parser.add_argument("--apart", action="store_true", help="a run for each case")
    arguments = parser.parse_args()
    work = Path(arguments.work).absolute()
    work.mkdir(parents=True, exist_ok=True)
    given, file = corpora(work), work / "cases.jsonl"
    cluster = Cluster()
    try:
        calm = undisturbed(given, work, cluster)
        for victim in arguments.victims:
            there = {(case["victim"], case["stage"]) for case in read(file)}
            left = [
                s for s in arguments.stages if (victim == "driver" or s not in OF_DRIVER) and (victim, s) not in there
            ]
            for stages in [[stage] for stage in left] if arguments.apart else [left] if left else []:
                out = work / f"{victim}-{'-'.join(stages)}-{int(time.time())}"
                cases = disturbed(victim, stages, given, out, cluster, calm)
                with file.open("a", encoding="utf-8") as lines:
                    lines.writelines(json.dumps(case) + "\n" for case in cases)
                print(*map(json.dumps, cases), sep="\n", flush=True)
    finally:
        cluster.end()
    cases = read(file)
    write(
        arguments.out,
        "kills",
        "What is lost when something is killed",
        "python -m benchmarks.kills --work FOLDER",
        f"seeds 1 to 3, {NODES} nodes of one CPU, {', '.join(SETTINGS)}; cores that other work shared, load {loads(cases)}",
        page(cases, calm),
        {"cases": cases, "undisturbed": calm},
    )
    print(page(cases, calm))


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def loads(cases: list[dict[str, Any]]) -> str:
    found = [case["load"] for case in cases]
    return f"{min(found):.0f} to {max(found):.0f}" if found else "unknown"


if __name__ == "__main__":
    main()
