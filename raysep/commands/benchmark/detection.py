"""Detection figures of a run in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raysep.evaluation.scores import ScoreDetection
from raysep.probes.stored import Column, columns_of
from raysep.rundir import Run
from raysep.screen import terminal
from raysep.stages.detection import judge, probe_detection


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
    print_probes(console, probe_detection(run, truth_uri), columns_of(run.read_table("stems.parquet")))


def print_probes(console: Any, found: Mapping[str, ScoreDetection], columns: Mapping[str, Column]) -> None:
    from rich.table import Table

    if not found:
        return
    kinds = list(next(iter(found.values())).by_kind)
    table = Table(title="Each probe alone: AUROC within label, 95 % intervals over tracks", title_justify="left")
    table.add_column("probe")
    table.add_column("context")
    for column in ("macro", "interval", *kinds):
        table.add_column(column, justify="right")
    for name, probe in found.items():
        macro = probe.macro
        by_kind = (f"{probe.by_kind[kind].estimate:.2f}" for kind in kinds)
        interval = f"{macro.low:.3f} – {macro.high:.3f}"
        table.add_row(name, columns[name].context, f"{macro.estimate:.3f}", interval, *by_kind)
    console.print(table)
