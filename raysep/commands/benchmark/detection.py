"""Detection figures of a run in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from raysep.evaluation.bootstrap import Interval
from raysep.evaluation.scores import ScoreDetection
from raysep.evaluation.weighted import HarmWeighted
from raysep.probes.stored import Column, columns_of
from raysep.report.detection import judge, probe_detection, unjoined
from raysep.rundir import Run
from raysep.screen import print_table, terminal


def print_detection(run: Run, truth_uri: str) -> None:
    """Two tables: what the decision finds, and what each probe would."""
    from rich.table import Table

    found = judge(run, truth_uri)
    console = terminal()
    if lost := unjoined(run, truth_uri):
        console.print(f"note: {lost}")
    table = Table(title="Detection: AUROC of suspicion, 95 % intervals over tracks", title_justify="left")
    for column in ("", "AUROC", "interval", "average precision", "stems"):
        table.add_column(column, justify="left" if not column else "right")

    def add(name: str, ranking: Any) -> None:
        a, p = ranking.auroc, ranking.average_precision
        table.add_row(name, *spread(a), f"{p.estimate:.3f}", str(ranking.positives))

    if found.weighted:
        table.add_row("weighed by harm", *spread(found.weighted.auroc), "", "")
    table.add_row("macro over kinds", *spread(found.macro), "", "")
    add("all kinds together", found.overall)
    for heading, part in (("kind", found.by_kind), ("severity", found.by_severity), ("label", found.by_label)):
        table.add_section()
        for name, ranking in part.items():
            add(f"{heading} {name}", ranking)
    print_table(console, table)
    if found.weighted:
        console.print(harm_in_words(found.weighted))
    removal = found.removal
    console.print(
        f"not kept: {removal.removed} stems, {removal.corrupted_removed:.1%} of the corrupted, {removal.clean_lost:.1%} of the "
        f"clean; {removal.false_discoveries:.1%} of them are clean; corrupted {removal.true_share:.1%} before, "
        f"{removal.contamination_left:.1%} of what is kept"
    )
    console.print(
        f"not ranked: {found.silent} silent stems ({found.silent_corrupted} of them corrupted), {found.failed} failed"
    )
    print_probes(console, probe_detection(run, truth_uri), columns_of(run.read_table("stems.parquet")))


def spread(interval: Interval) -> tuple[str, str]:
    """Cells of the figure and of its bounds; "none" where there is none."""
    if not isfinite(interval.estimate):
        return "none", ""
    return f"{interval.estimate:.3f}", f"{interval.low:.3f} – {interval.high:.3f}"


def harm_in_words(weighted: HarmWeighted) -> str:
    """What the first figure rests on, and what it says nothing of."""
    heaviest = sorted(weighted.weights.items(), key=lambda item: -item[1])
    known = ", ".join(f"{name} {db:.2f}" for name, db in heaviest if db > 0) or "none of these faults"
    text = f"weighed by harm: dB that a separator loses, as `raysep benchmark harm` measures it: {known}"
    return f"{text}; not in it, of unknown harm: {weighted.left_out}" if weighted.unknown else text


def print_probes(console: Any, found: Mapping[str, ScoreDetection], columns: Mapping[str, Column]) -> None:
    from rich.table import Table

    if not found:
        return
    kinds = list(next(iter(found.values())).by_kind)
    table = Table(title="Each probe alone: AUROC within label, 95 % intervals over tracks", title_justify="left")
    table.add_column("probe")
    table.add_column("context")
    for column in ("by harm", "macro", "interval", *kinds):
        table.add_column(column, justify="right")
    for name, probe in found.items():
        by_harm = spread(probe.weighted.auroc)[0] if probe.weighted else "none"
        by_kind = (f"{probe.by_kind[kind].estimate:.2f}" for kind in kinds)
        table.add_row(name, columns[name].context, by_harm, *spread(probe.macro), *by_kind)
    print_table(console, table)
