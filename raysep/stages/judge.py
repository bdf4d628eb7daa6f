"""A finished run against known truth: detection figures of the decision, and of every probe by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysep.evaluation.detection import CLEAN, Detection, detection
from raysep.evaluation.scores import ScoreDetection, score_detection
from raysep.rundir import Run
from raysep.stages.context import terminal


def judge(run: Run, truth_uri: str) -> Detection:
    """The decision's detection figures, with intervals clustered by track. Raises ``BadInput`` without a truth table."""
    from raysep.corpus import storage, truth

    return detection(run.read_table("decision.parquet"), truth.read(storage.absolute(truth_uri)))


def probe_detection(run: Run, truth_uri: str, draws: int = 1000) -> dict[str, ScoreDetection]:
    """What every oriented probe finds alone, ranked within each label; best macro AUROC first."""
    return pooled_probe_detection([(run, truth_uri)], draws)


def pooled_probe_detection(runs: Sequence[tuple[Run, str]], draws: int = 1000) -> dict[str, ScoreDetection]:
    """The same over several runs with their truth tables."""
    from raysep.probes.catalogue import PROBES

    judged = [judged_stems(run, truth_uri) for run, truth_uri in runs]
    names = [n for n, p in PROBES.items() if p.oriented and all(n in table.column_names for table, _ in judged)]
    found = pooled_detection(judged, names, draws)
    return dict(sorted(found.items(), key=lambda item: -item[1].macro.estimate))


def judged_stems(run: Run, truth_uri: str) -> tuple[pa.Table, np.ndarray]:
    """The rows of ``stems.parquet`` that were scored and that the truth table names; their kinds of fault ``(stem,)``."""
    from raysep.corpus import storage, truth

    kinds = {row["stem_id"]: row["kind"] for row in truth.read(storage.absolute(truth_uri))}
    table = run.read_table("stems.parquet")
    known = pc.is_in(table["stem_id"], pa.array(kinds, pa.string()))
    table = table.filter(pc.and_(known, pc.equal(table["outcome"], "scored")))
    return table, np.array([kinds[i] for i in table["stem_id"].to_pylist()], dtype=str)


def pooled_detection(
    judged: Sequence[tuple[pa.Table, np.ndarray]], names: Sequence[str], draws: int = 1000
) -> dict[str, ScoreDetection]:
    """What the columns ``names``, higher = cleaner, find in the tables of ``judged_stems`` of several runs.

    Stems are ranked within the labels of their run, and songs are drawn from all runs. Empty when no stem has a fault.
    """
    from raysep.decision.aggregate import numbers

    kind = np.concatenate([kinds for _, kinds in judged])
    if not (kind != CLEAN).any():
        return {}
    label, track = (
        np.array([f"{i}/{each}" for i, (table, _) in enumerate(judged) for each in table[column].to_pylist()])
        for column in ("stem", "track")
    )
    return {
        name: score_detection(np.concatenate([numbers(table, name) for table, _ in judged]), kind, label, track, draws)
        for name in names
    }


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
    print_probes(console, probe_detection(run, truth_uri))


def print_probes(console: Any, found: Mapping[str, ScoreDetection]) -> None:
    from rich.table import Table

    from raysep.probes.catalogue import PROBES

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
        table.add_row(name, PROBES[name].context, f"{macro.estimate:.3f}", interval, *by_kind)
    console.print(table)
