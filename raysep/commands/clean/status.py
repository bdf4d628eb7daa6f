"""What a run has done so far and does now, from its folder alone: what is there, and what its driver's lease says."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from raysep import lease, pace
from raysep.commands.clean import told
from raysep.corpus import storage
from raysep.rundir import FIRST_LOOK, Run

WATCHED = 5.0  # seconds between two looks
CLEAR = "\x1b[H\x1b[J"  # of a terminal
WENT_WRONG = {  # what the driver counts → in words, of one and of several
    "failed": ("stem failed so far", "stems failed so far"),
    "retries": ("shard tried again", "shards tried again"),
    "deaths": ("worker died", "workers died"),
    "resizes": ("change of the number of workers", "changes of the number of workers"),
}


@dataclass(frozen=True)
class Status:
    """A look at a run."""

    state: str  # running, finished, dead or stopped
    words: str  # the same
    record: dict[str, Any]  # run.json
    stages: dict[str, str]  # name → what it has done, in words
    doing: dict[str, Any] = field(
        default_factory=dict
    )  # as ``raysep.doing`` has it; of a dead driver, what it did last


def print_status(run: Run, as_json: bool = False) -> None:
    found = look(run)
    if as_json:
        told.print_status(run, found.state)
        return
    for line in lines(run, found):
        print(line)


def watch(run: Run, sleep: Callable[[float], None] = time.sleep) -> None:
    """Print the status again and again until nobody works on the run; on a terminal in its place, else what has changed."""
    before: list[str] = []
    while True:
        found = look(run)
        shown = lines(run, found)
        if sys.stdout.isatty():
            print(CLEAR + "\n".join(shown), flush=True)
        else:
            for line in shown[1:] if before else shown:
                if line not in before:
                    print(line, flush=True)
        if found.state != "running":
            return
        before = shown
        sleep(WATCHED)


def look(run: Run) -> Status:
    record, now = run.read_json("run.json"), time.time()
    holder = lease.holder_of(run)
    state, words = _state(told.is_finished(run, record), holder, now)
    doing = _aged(holder.doing, holder.renewed, now) if holder else {}
    done = {file.base_name.removesuffix(".json") for file in storage.list_files(run.path("done"), recursive=False)}
    earlier = [f"round-{number}" for number in range(1, record.get("config", {}).get("rounds", 1))]
    more = [name for name in record["stages"] if name.startswith(("retrain-", "evaluate-"))]
    inner = doing.get("stages", [])
    stages = {}
    for name in dict.fromkeys((*earlier, *told.stages_of(record), *more, *inner[:1])):
        if name in record["stages"] and name in done and name not in inner:
            stages[name] = f"done in {record['stages'][name]['seconds']:.1f} s"
        elif name in inner:
            stages[name] = ", ".join([*inner[inner.index(name) + 1 :], *pace.so_far(doing)]) or "begun"
        else:
            stages[name] = _so_far(run, name, record["fingerprint"])
    return Status(state, words, record, stages, doing)


def lines(run: Run, found: Status) -> list[str]:
    record = found.record
    shown = [f"{run.root}: run {record['fingerprint']}, started {record['started']}", f"  {found.words}"]
    shown += [f"  {name:<10} {words}" for name, words in found.stages.items()]
    wrong = [f"{count} {words[count > 1]}" for name, words in WENT_WRONG.items() if (count := found.doing.get(name, 0))]
    shown += [f"  {', '.join(wrong)}"] if wrong else []
    if run.has("failed.parquet") and (failed := len(run.read_table("failed.parquet"))):
        shown.append(f"  {failed} stems failed: failed.parquet")
    return shown + told.verdict_lines(run)


def _state(finished: bool, holder: lease.Holder | None, now: float) -> tuple[str, str]:
    if holder:
        seen, who = max(0.0, now - holder.renewed), f"process {holder.pid} on {holder.host}"
        if not holder.is_gone(now):
            return "running", f"running: {who}, last seen {pace.span(seen)} ago"
        at = datetime.fromtimestamp(holder.renewed, UTC).isoformat(timespec="seconds")
        return "dead", f"dead since {at}, {pace.span(seen)} ago ({who}): the same command goes on from there"
    if finished:
        return "finished", "finished"
    return "stopped", "nobody works on it: the same command goes on from there"


def _aged(doing: dict[str, Any], renewed: float, now: float) -> dict[str, Any]:
    """What is left of the time that was left when it was told."""
    if doing.get("left") is None:
        return doing
    return doing | {"left": max(0.0, doing["left"] - (now - doing.get("at", renewed)))}


def _so_far(run: Run, stage: str, fingerprint: str) -> str:
    """What a stage has done that is not done, and that nobody works on."""
    if shards := len(run.shards_done(stage, fingerprint)):
        return f"{shards} shards done"
    if stage == "score" and (shards := len(run.shards_done(FIRST_LOOK, fingerprint))):
        return f"{shards} shards done of the first look"
    return "not done"
