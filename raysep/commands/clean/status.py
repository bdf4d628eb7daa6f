"""What a run has done so far, from its folder alone."""

from __future__ import annotations

from typing import Any

from raysep.commands.app import print_json
from raysep.commands.clean import told
from raysep.rundir import FIRST_LOOK, Run

STAGES = {
    "clean": ("check", "plant", "train", "attribute", "score", "decide", "search", "retrain", "evaluate"),
    "train": ("check", "retrain", "evaluate"),
    "evaluate": ("evaluate",),
}


def print_status(run: Run, as_json: bool = False) -> None:
    """The stages and, of a run that has decided, the verdict; as JSON, see ``docs/json.md``."""
    status = status_of(run)
    if as_json:
        print_json(status)
        return
    print(f"{run.root}: run {status['fingerprint']}, started {status['started']}")
    for stage in status["stages"]:
        print(f"  {stage['name']:<10} {_in_words(stage)}")
    if status["failed"]:
        print(f"  {status['failed']} stems failed: failed.parquet")
    for line in (status["verdict"] or {}).get("sentences", []):
        print(line)
    if status["report"]:
        print(f"report: {status['report']}")


def status_of(run: Run) -> dict[str, Any]:
    """Everything that `raysep status` says, as plain values."""
    record, kind = run.read_json("run.json"), told.kind_of(run)
    return {
        "run": run.root,
        "kind": kind,
        "fingerprint": record["fingerprint"],
        "started": record["started"],
        "finished": bool(record.get("finished")),
        "stages": [_stage(run, record, name) for name in _stages_of(record, kind)],
        "failed": len(run.read_table("failed.parquet")) if run.has("failed.parquet") else 0,
        "verdict": verdict_of(run),
        "report": run.path("report.html") if run.has("report.html") else None,
    }


def verdict_of(run: Run) -> dict[str, Any] | None:
    """What may be said of a run that has decided; None before."""
    if not run.has("summary.json"):
        return None
    from raysep.stages.results import verdict_of

    return verdict_of(run).to_dict()


def _stages_of(record: dict[str, Any], kind: str) -> list[str]:
    earlier = [f"round-{number}" for number in range(1, record.get("config", {}).get("rounds", 1))]
    usual = [name for name in STAGES.get(kind, tuple(record["stages"])) if name != "search" or record.get("search")]
    if kind == "train" and not record.get("test"):
        usual = [name for name in usual if name != "evaluate"]
    return [
        *earlier,
        *usual,
        *(name for name in record["stages"] if name not in usual and kind == "clean" and "-" in name),
    ]


def _stage(run: Run, record: dict[str, Any], name: str) -> dict[str, Any]:
    """A stage: whether it is done, in how many seconds, or how many shards of it are."""
    if name in record["stages"] and run.is_done(name):
        return {"name": name, "done": True, "seconds": record["stages"][name]["seconds"], "shards": None, "of": None}
    shards, of = len(run.shards_done(name, record["fingerprint"])), None
    if name == "score" and not shards and (shards := len(run.shards_done(FIRST_LOOK, record["fingerprint"]))):
        of = FIRST_LOOK
    return {"name": name, "done": False, "seconds": None, "shards": shards, "of": of}


def _in_words(stage: dict[str, Any]) -> str:
    if stage["done"]:
        return f"done in {stage['seconds']:.1f} s"
    if not stage["shards"]:
        return "not done"
    return f"{stage['shards']} shards done" + (" of the first look" if stage["of"] else "")
