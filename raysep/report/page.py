"""``report.html`` of a run: what is said on it, read from the run's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raysep import failures
from raysep.corpus import storage
from raysep.report.data import ReportData
from raysep.report.gains import BASELINE, CLEANED, gain, reference_alone, verdict_of
from raysep.report.numbers import percent
from raysep.report.results import (
    arm_rows,
    rule_text,
    silence_sentence,
    tested_on,
)
from raysep.rundir import Run

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.report.reviewed import Review

HEARD = 8  # of the stems that verdicts on others changed


def write(run: Run, truth: str | None) -> None:
    run.write_bytes(made(run, truth).encode(), "report.html")


def made(run: Run, truth: str | None, review: Review | None = None) -> str:
    """The page of a run that has decided; with ``review`` of one that has a person's verdicts in its decision (``reviewed``)."""
    from raysep.report.evidence.listing import listing
    from raysep.report.evidence.of_run import Evidence
    from raysep.report.evidence.sounding import shown
    from raysep.report.html import render

    evidence = Evidence(run)
    # The listing first: what it takes of each stem is gone before the sounds are held.
    rows = listing(evidence, said=review.said if review else None)
    first = [change.stem_id for change in review.others[:HEARD]] if review else []
    suspects = shown(evidence, first=first)
    missing = evidence.hearing.missing
    return render(told(run, truth, evidence.table, suspects=suspects, listing=rows, unheard=missing, review=review))


def told(run: Run, truth: str | None, decision: pa.Table, **evidence: Any) -> ReportData:
    """What the page says of a run and its ``decision``, beside the ``evidence`` that its stems are shown with."""
    from raysep.report.record import ledger_columns

    record, summary = run.read_json("run.json"), run.read_json("summary.json")
    stages = record.pop("stages")
    return ReportData(
        title=f"raysep: {run.root.rstrip('/').rsplit('/', 1)[-1]}",
        run={
            "run_id": record.pop("fingerprint"),
            "created": record.pop("started"),
            "version": record["versions"]["raysep"],
            **record,
        },
        summary={
            "share": summary["share"],
            "baseline": BASELINE,
            "cleaned": CLEANED,
            **_proof(run),
            "rule": rule_text(summary["rule"]),
            "handling": _handling(stages.get("decide", {})),
        },
        judged=verdict_of(run),
        results=[_shown(row) for row in arm_rows(run)] if run.has("results.parquet") else [],
        decision=decision,
        detection=_detection(run, truth) if truth else None,
        stages=[
            {"name": name, "seconds": stage["seconds"], **ledger_columns(stage.get("ledger", {}))}
            for name, stage in stages.items()
            if "seconds" in stage
        ],
        memory_gib=record.get("peak_memory_gib"),
        failures=run.read_table(failures.TABLE).to_pylist(),
        tuning=tuned(run),
        **evidence,
    )


def _proof(run: Run) -> dict[str, Any]:
    """What retraining showed; nothing of a run that has only decided."""
    if not run.has("results.parquet"):
        return {}
    return {
        "gain": gain(run),
        "tracks": tested_on(run),
        "reference_alone": reference_alone(run),
        "silence": silence_sentence(run),
    }


def tuned(run: Run) -> dict[str, Any] | None:
    """What `raysep tune` found, if it was asked; of other scores than those that are there now, only that it is."""
    if not run.has("tune.json"):
        return None
    record = run.read_json("tune.json")
    if record["scores"] != storage.digest(run.read_bytes("stems.parquet")):
        return {"stale": "the scores have changed since the search: start raysep tune again"}
    return {"rows": run.read_table("tune.parquet").to_pylist(), "found": record["found"]}


def _handling(decided: dict[str, Any]) -> str:
    """What was done with what was found, and how many stems are used otherwise for it."""
    return "; ".join(filter(None, (decided.get("handling", "drop"), decided.get("otherwise"))))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """An arm's row as the page has it: the column of framewise SDR says how it was made."""
    row = {key: value for key, value in row.items() if not key.startswith("gain")}
    shown = row | {"SDR by museval, dB: median over 1 s frames and over tracks": row.pop("framewise_sdr")}
    return shown | (
        {"residue of silent stems, dBFS: lower is better": shown.pop("residue")} if "residue" in row else {}
    )


def _detection(run: Run, truth: str) -> dict[str, Any]:
    from raysep.report import detection

    found = detection.judge(run, truth)

    def row(group: str, name: str, interval: Any, stems: Any) -> dict[str, Any]:
        return {
            "group": group,
            "name": name,
            "auroc": interval.estimate,
            "low": interval.low,
            "high": interval.high,
            "stems": stems,
        }

    rows = (
        [row("all", "weighed by harm", found.weighted.auroc, None)] if found.weighted and found.weighted.weights else []
    )
    rows += [
        row("all", "macro over kinds", found.macro, None),
        row("all", "overall", found.overall.auroc, found.overall.positives),
    ]
    for group, part in (("kind", found.by_kind), ("severity", found.by_severity), ("label", found.by_label)):
        rows += [row(group, name, ranking.auroc, ranking.positives) for name, ranking in part.items()]
    roc = {"overall": found.roc["all"], **{kind: points for kind, points in found.roc.items() if kind != "all"}}
    removal = found.removal
    return {
        "roc": roc,
        "auroc": rows,
        "wrong stems found": percent(removal.corrupted_removed),
        "clean stems taken for wrong": percent(removal.clean_lost),
        "clean ones among the found": percent(removal.false_discoveries),
        "wrong ones among the kept": percent(removal.contamination_left),
    }
