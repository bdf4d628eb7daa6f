"""What is told of a decision and of a finished run, in words or as JSON: `raysep decide`, `report` and `status`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raysep.commands.app import print_json
from raysep.errors import BadInput
from raysep.report.verdict import plain
from raysep.rundir import Run

if TYPE_CHECKING:
    from raysep.again import Again
    from raysep.report.verdict import Verdict


def decided(again: Again, out: str, manifest: str, as_json: bool) -> None:
    """What another decision removes, uses and obeys, and where it was written."""
    found = again.summary
    if as_json:
        about = {"decision": out, "manifest": manifest, "rule": found["rule"], "used": again.handled["used"]}
        print_json({**about, "by_hand": found.get("verdicts"), "verdict": again.verdict.to_dict()})
        return
    for line in again.sentences:
        print(line)
    print(f"decision: {out}")
    print(f"{len(again.used)} stems are used ({again.handling}): {manifest}")


STAGES = {
    "clean": ("check", "plant", "train", "attribute", "score", "decide", "search", "retrain", "evaluate"),
    "train": ("check", "retrain", "evaluate"),
    "evaluate": ("evaluate",),
}


def kind_of(record: Mapping[str, Any]) -> str:
    """Which command made a run, by its ``run.json``: ``clean``, ``train``, ``evaluate``, or ``other``."""
    if "models" in record:
        return "evaluate"
    if "config" not in record:
        return "other" if "corpus" in record else "clean"
    return "clean" if record.get("reference", True) else "train"


def stages_of(record: Mapping[str, Any]) -> list[str]:
    """The stages that a run has or will have, in their order; what was not asked for is not among them."""
    kind = kind_of(record)
    names = [name for name in STAGES.get(kind, tuple(record["stages"])) if name != "search" or record.get("search")]
    return [name for name in names if kind != "train" or name != "evaluate" or record.get("test")]


def is_finished(run: Run, record: Mapping[str, Any]) -> bool:
    """Whether a run has come to its end: a cleaning says so itself, of a training or an evaluation every stage is done."""
    if kind_of(record) not in ("train", "evaluate"):
        return bool(record.get("finished"))
    return all(name in record["stages"] and run.is_done(name) for name in stages_of(record))


# Status ---------------------------------------------------------------------------------------------------------------


def verdict_lines(run: Run) -> list[str]:
    """What may be said of a run that has decided, and where its page is; nothing before."""
    verdict = _verdict(run)
    lines = [plain(line) for line in verdict.sentences] if verdict else []
    return [*lines, f"report: {run.path('report.html')}"] if run.has("report.html") else lines


def print_status(run: Run, state: str) -> None:
    """As JSON: what ``docs/json.md`` says; ``state`` is running, finished, dead or stopped."""
    record, verdict = run.read_json("run.json"), _verdict(run)
    print_json(
        {
            "run": run.root,
            "kind": kind_of(record),
            "fingerprint": record["fingerprint"],
            "started": record["started"],
            "finished": is_finished(run, record),
            "state": state,
            "stages": [_stage(run, record, name) for name in stages_of(record)],
            "failed": len(run.read_table("failed.parquet")) if run.has("failed.parquet") else 0,
            "verdict": verdict.to_dict() if verdict else None,
            "report": run.path("report.html") if run.has("report.html") else None,
        }
    )


def _verdict(run: Run) -> Verdict | None:
    from raysep.report.gains import verdict_of

    return verdict_of(run) if run.has("summary.json") else None


def _stage(run: Run, record: Mapping[str, Any], name: str) -> dict[str, Any]:
    if name in record["stages"] and run.is_done(name):
        return {"name": name, "done": True, "seconds": record["stages"][name]["seconds"], "shards": None}
    return {"name": name, "done": False, "seconds": None, "shards": len(run.shards_done(name, record["fingerprint"]))}


# A finished run -------------------------------------------------------------------------------------------------------


def report(run: Run, as_json: bool) -> None:
    """What a finished run found. Raises ``BadInput`` for one that is not finished, or that has nothing to report."""
    kind = kind_of(run.read_json("run.json"))
    {"clean": _clean, "train": _train, "evaluate": _evaluate}.get(kind, _nothing)(run, as_json)


def _needs(run: Run, command: str, *files: str) -> None:
    for name in files:
        if not run.has(name):
            raise BadInput(f"{run.root}: has no {name} yet; start its `raysep {command}` again to finish it")


def _clean(run: Run, as_json: bool) -> None:
    from raysep.corpus import outputs
    from raysep.report import gains, page, results

    _needs(run, "clean", "summary.json", "results.parquet")
    if not as_json:
        results.print_result(run)
        for line in (page.tuned(run) or {}).get("found", []):
            print(f"search: {line}")
    outputs.try_file(run.path("report.html"), "report")
    page.write(run, run.read_json("run.json").get("truth"))
    if not as_json:
        print(f"report: {run.path('report.html')}")
        return
    about = {"run": run.root, "kind": "clean", "report": run.path("report.html")}
    print_json({**about, "verdict": gains.verdict_of(run).to_dict(), "arms": results.arm_rows(run)})


def _train(run: Run, as_json: bool) -> None:
    from raysep.report import results
    from raysep.screen import terminal

    if not run.has("test.parquet"):
        raise BadInput(
            f"{run.root}: was trained without --test, so nothing was measured; `raysep evaluate` measures it"
        )
    _needs(run, "train", "results.parquet")
    if as_json:
        about = {"run": run.root, "kind": "train", "checkpoints": run.path("checkpoints")}
        print_json({**about, "arms": results.arm_rows(run)})
        return
    results.print_arms(run, terminal())
    print(f"trained: {run.path('checkpoints')}")


def _evaluate(run: Run, as_json: bool) -> None:
    from raysep.report import evaluated

    _needs(run, "evaluate", "evaluation.json")
    if as_json:
        print_json(run.read_json("evaluation.json"))
        return
    evaluated.show(run.read_json("evaluation.json"), run.root)


def _nothing(run: Run, as_json: bool) -> None:
    raise BadInput(f"{run.root}: no run of clean, train or evaluate; the command that made it prints it again")
