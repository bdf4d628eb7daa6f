"""What a run has done so far, from its folder alone."""

from __future__ import annotations

from raysep.commands.clean import told
from raysep.rundir import FIRST_LOOK, Run


def print_status(run: Run, as_json: bool = False) -> None:
    if as_json:
        told.print_status(run)
        return
    record = run.read_json("run.json")
    print(f"{run.root}: run {record['fingerprint']}, started {record['started']}")
    earlier = [f"round-{number}" for number in range(1, record.get("config", {}).get("rounds", 1))]
    for name in (*earlier, *told.stages_of(record)):
        if name in record["stages"] and run.is_done(name):
            print(f"  {name:<10} done in {record['stages'][name]['seconds']:.1f} s")
            continue
        print(f"  {name:<10} {_so_far(run, name, record['fingerprint'])}")
    if run.has("failed.parquet") and (failed := len(run.read_table("failed.parquet"))):
        print(f"  {failed} stems failed: failed.parquet")
    for line in told.verdict_lines(run):
        print(line)


def _so_far(run: Run, stage: str, fingerprint: str) -> str:
    """What a stage that is not done has done."""
    if shards := len(run.shards_done(stage, fingerprint)):
        return f"{shards} shards done"
    if stage == "score" and (shards := len(run.shards_done(FIRST_LOOK, fingerprint))):
        return f"{shards} shards done of the first look"
    return "not done"
