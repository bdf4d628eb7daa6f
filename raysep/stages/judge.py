"""A finished run against known truth: detection figures of the decision, and of every probe by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from raysep.evaluation.detection import CLEAN, Detection, auroc, detection
from raysep.rundir import Run
from raysep.stages.context import terminal


def judge(run: Run, truth_uri: str) -> Detection:
    """The decision's detection figures, with intervals clustered by track. Raises ``BadInput`` without a truth table."""
    from raysep.corpus import storage, truth

    return detection(run.read_table("decision.parquet"), truth.read(storage.absolute(truth_uri)))


def probe_table(run: Run, truth_uri: str) -> list[dict[str, Any]]:
    """AUROC of every oriented probe alone, ranked within each label: macro over kinds, and by kind; best first."""
    from scipy.stats import rankdata

    from raysep.corpus import storage, truth
    from raysep.probes.catalogue import PROBES

    kinds = {row["stem_id"]: row["kind"] for row in truth.read(storage.absolute(truth_uri))}
    stems = [
        r for r in run.read_table("stems.parquet").to_pylist() if r["stem_id"] in kinds and r["outcome"] == "scored"
    ]
    kind = np.array([kinds[row["stem_id"]] for row in stems])
    label = np.array([row["stem"] for row in stems])
    rows = []
    for name, probe in PROBES.items():
        if not probe.oriented or not stems or name not in stems[0]:
            continue
        score = np.array([np.nan if row[name] is None else row[name] for row in stems], dtype=float)
        suspicion = np.full(len(score), 0.5)
        for each in np.unique(label):
            members = (label == each) & np.isfinite(score)
            suspicion[members] = rankdata(-score[members]) / max(1, members.sum())
        by_kind = {
            k: auroc(suspicion[(kind == k) | (kind == CLEAN)], (kind == k)[(kind == k) | (kind == CLEAN)])
            for k in sorted(set(kind) - {CLEAN})
        }
        rows.append(
            {"probe": name, "context": probe.context, "macro": float(np.mean(list(by_kind.values()))), **by_kind}
        )
    return sorted(rows, key=lambda row: -row["macro"])


def print_detection(run: Run, truth_uri: str) -> None:
    """Two tables: what the decision finds, and what each probe would."""
    from rich.table import Table

    found = judge(run, truth_uri)
    console = terminal()
    table = Table(title="Detection: AUROC of suspicion, 95 % intervals over tracks", title_justify="left")
    for column in ("", "AUROC", "interval", "average precision", "stems"):
        table.add_column(column, justify="left" if not column else "right")

    def add(name: str, ranking: Any) -> None:
        a, p = ranking.auroc, ranking.average_precision
        table.add_row(
            name, f"{a.estimate:.3f}", f"{a.low:.3f} – {a.high:.3f}", f"{p.estimate:.3f}", str(ranking.positives)
        )

    macro = found.macro
    table.add_row("macro over kinds", f"{macro.estimate:.3f}", f"{macro.low:.3f} – {macro.high:.3f}", "", "")
    add("all kinds together", found.overall)
    for heading, part in (("kind", found.by_kind), ("severity", found.by_severity), ("label", found.by_label)):
        table.add_section()
        for name, ranking in part.items():
            add(f"{heading} {name}", ranking)
    console.print(table)
    removal = found.removal
    console.print(
        f"removed {removal.removed} stems: {removal.corrupted_removed:.1%} of the corrupted, {removal.clean_lost:.1%} of the "
        f"clean; {removal.false_discoveries:.1%} of the removed are clean; corrupted {removal.true_share:.1%} before, "
        f"{removal.contamination_left:.1%} after"
    )
    console.print(
        f"not ranked: {found.silent} silent stems ({found.silent_corrupted} of them corrupted), {found.failed} failed"
    )
    print_probes(console, probe_table(run, truth_uri))


def print_probes(console: Any, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    if not rows:
        return
    kinds = [key for key in rows[0] if key not in ("probe", "context", "macro")]
    table = Table(title="Each probe alone: AUROC within label", title_justify="left")
    table.add_column("probe")
    table.add_column("context")
    for column in ("macro", *kinds):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(row["probe"], row["context"], *(f"{row[key]:.2f}" for key in ("macro", *kinds)))
    console.print(table)
