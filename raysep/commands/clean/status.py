"""What a run has done so far, from its folder alone."""

from __future__ import annotations

from raysep.rundir import Run
from raysep.screen import terminal
from raysep.stages.effort import FIRST_LOOK

STAGES = ("plant", "train", "attribute", "score", "decide", "search", "retrain", "evaluate")


def print_status(run: Run) -> None:
    record = run.read_json("run.json")
    console = terminal()
    console.print(f"{run.root}: run {record['fingerprint']}, started {record['started']}")
    for name in STAGES:
        if name == "search" and not record.get("search"):
            continue
        if name in record["stages"] and run.is_done(name):
            console.print(f"  {name:<10} done in {record['stages'][name]['seconds']:.1f} s")
            continue
        console.print(f"  {name:<10} {_so_far(run, name, record['fingerprint'])}")
    if run.has("failed.parquet") and (failed := len(run.read_table("failed.parquet"))):
        console.print(f"  {failed} stems failed: failed.parquet")


def _so_far(run: Run, stage: str, fingerprint: str) -> str:
    """What a stage that is not done has done."""
    if shards := len(run.shards_done(stage, fingerprint)):
        return f"{shards} shards done"
    if stage == "score" and (shards := len(run.shards_done(FIRST_LOOK, fingerprint))):
        return f"{shards} shards done of the first look"
    return "not done"
