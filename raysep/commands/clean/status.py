"""What a run has done so far, from its folder alone."""

from __future__ import annotations

from raysep.rundir import FIRST_LOOK, Run

STAGES = ("check", "plant", "train", "attribute", "score", "decide", "search", "retrain", "evaluate")


def print_status(run: Run) -> None:
    record = run.read_json("run.json")
    print(f"{run.root}: run {record['fingerprint']}, started {record['started']}")
    earlier = [f"round-{number}" for number in range(1, record.get("config", {}).get("rounds", 1))]
    for name in (*earlier, *STAGES):
        if name == "search" and not record.get("search"):
            continue
        if name in record["stages"] and run.is_done(name):
            print(f"  {name:<10} done in {record['stages'][name]['seconds']:.1f} s")
            continue
        print(f"  {name:<10} {_so_far(run, name, record['fingerprint'])}")
    if run.has("failed.parquet") and (failed := len(run.read_table("failed.parquet"))):
        print(f"  {failed} stems failed: failed.parquet")


def _so_far(run: Run, stage: str, fingerprint: str) -> str:
    """What a stage that is not done has done."""
    if shards := len(run.shards_done(stage, fingerprint)):
        return f"{shards} shards done"
    if stage == "score" and (shards := len(run.shards_done(FIRST_LOOK, fingerprint))):
        return f"{shards} shards done of the first look"
    return "not done"
