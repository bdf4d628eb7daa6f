"""A finished run against known truth: detection figures of the decision, and of every probe by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysep.evaluation.detection import CLEAN, Detection, detection
from raysep.evaluation.scores import ScoreDetection, score_detection
from raysep.outcome import Outcome
from raysep.rundir import Run


def judge(run: Run, truth_uri: str) -> Detection:
    """The decision's detection figures, with intervals clustered by track. Raises ``BadInput`` without a truth table."""
    from raysep.corpus import storage, truth

    return detection(run.read_table("decision.parquet"), truth.read(storage.absolute(truth_uri)))


def probe_detection(run: Run, truth_uri: str, draws: int = 1000) -> dict[str, ScoreDetection]:
    """What every oriented probe finds alone, ranked within each label; best macro AUROC first."""
    return pooled_probe_detection([(run, truth_uri)], draws)


def pooled_probe_detection(runs: Sequence[tuple[Run, str]], draws: int = 1000) -> dict[str, ScoreDetection]:
    """The same over several runs with their truth tables."""
    from raysep.probes.stored import oriented_in

    judged = [judged_stems(run, truth_uri) for run, truth_uri in runs]
    names = [n for n in oriented_in(judged[0][0]) if all(n in table.column_names for table, _ in judged)]
    found = pooled_detection(judged, names, draws)
    return dict(sorted(found.items(), key=lambda item: -item[1].macro.estimate))


def judged_stems(run: Run, truth_uri: str) -> tuple[pa.Table, np.ndarray]:
    """The rows of ``stems.parquet`` that were scored and that the truth table names; their kinds of fault ``(stem,)``."""
    from raysep.corpus import storage, truth

    kinds = {row["stem_id"]: row["kind"] for row in truth.read(storage.absolute(truth_uri))}
    table = run.read_table("stems.parquet")
    known = pc.is_in(table["stem_id"], pa.array(kinds, pa.string()))
    table = table.filter(pc.and_(known, pc.equal(table["outcome"], Outcome.SCORED)))
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
