"""What is told of a decision and of a finished run, in words or as JSON: `raysep decide`, `report` and `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raysep.commands.app import print_json
from raysep.errors import BadInput
from raysep.report.verdict import plain
from raysep.rundir import Run

if TYPE_CHECKING:
    from raysep.stages.decide import Again


def decided(again: Again, out: str, manifest: str, as_json: bool) -> None:
    """What another decision removes, uses and obeys, and where it was written."""
    from raysep.decision.by_hand import sentences

    found, verdict = again.summary, again.verdict
    if as_json:
        about = {"decision": out, "manifest": manifest, "rule": found["rule"], "used": again.handled["used"]}
        print_json({**about, "by_hand": found.get("verdicts"), "verdict": verdict.to_dict()})
        return
    for line in verdict.sentences:
        print(plain(line))
    if other := found["counts"]["other_label"]:
        print(f"{other} of the removed belong to another label, first {found['first_other_label']}")
    for line in sentences(found.get("verdicts")):
        print(line)
    if (warning := found["warning"]) and not any(warning in line for line in verdict.sentences):
        print(f"note: {warning}")
    print(f"decision: {out}")
    print(f"{len(again.used)} stems are used ({again.handling}): {manifest}")


def kind_of(run: Run) -> str:
    """Which command made a run: ``clean``, ``train``, ``evaluate``, or another one, of which it is ``other``."""
    record = run.read_json("run.json")
    if "models" in record:
        return "evaluate"
    if "config" not in record:
        return "other" if "corpus" in record else "clean"
    return "clean" if record.get("reference") else "train"


def report(run: Run, as_json: bool) -> None:
    """What a finished run found. Raises ``BadInput`` for one that is not finished, or that has nothing to report."""
    kind = kind_of(run)
    {"clean": _clean, "train": _train, "evaluate": _evaluate}.get(kind, _nothing)(run, as_json)


def _needs(run: Run, command: str, *files: str) -> None:
    for name in files:
        if not run.has(name):
            raise BadInput(f"{run.root}: has no {name} yet; start its `raysep {command}` again to finish it")


def _clean(run: Run, as_json: bool) -> None:
    from raysep.stages import report as stage
    from raysep.stages import results

    _needs(run, "clean", "summary.json", "results.parquet")
    if not as_json:
        stage.again(run)
        return
    stage.write(run, run.read_json("run.json").get("truth"))
    about = {"run": run.root, "kind": "clean", "report": run.path("report.html")}
    print_json({**about, "verdict": results.verdict_of(run).to_dict(), "arms": results.arm_rows(run)})


def _train(run: Run, as_json: bool) -> None:
    from raysep.screen import terminal
    from raysep.stages import results

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
