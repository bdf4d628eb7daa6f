"""A finished run against known truth: detection figures of the decision, and of every probe by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysep.evaluation.detection import Detection, detection
from raysep.evaluation.ranking import CLEAN
from raysep.evaluation.scores import ScoreDetection, score_detection
from raysep.outcome import Outcome
from raysep.rundir import Run


class Judged(NamedTuple):
    """Rows of ``stems.parquet`` that were scored and that the truth names, with what it says of each."""

    table: pa.Table
    kind: np.ndarray  # (stem,)
    severity: np.ndarray  # (stem,), empty for a clean one


def judge(run: Run, truth_uri: str) -> Detection:
    """The decision's detection figures, with intervals clustered by track. Raises ``BadInput`` without a truth table.

    Weighed by the harm that raysep comes with.
    """
    from raysep.corpus import harm, storage, truth

    rows = truth.read(storage.absolute(truth_uri))
    return detection(run.read_table("decision.parquet"), rows, harm=harm.stored().weight)


def unjoined(run: Run, truth_uri: str) -> str:
    """How many stems the truth table names and the run does not, in words; "" for none. The reverse is an error of ``judge``."""
    from raysep.corpus import storage, truth
    from raysep.corpus.names import unmatched

    known = [row["stem_id"] for row in truth.read(storage.absolute(truth_uri))]
    decided = set(run.read_table("decision.parquet")["stem_id"].to_pylist())
    return unmatched(known, decided, "the truth table", "the run")


def probe_detection(run: Run, truth_uri: str, draws: int = 1000) -> dict[str, ScoreDetection]:
    """What every oriented probe finds alone, ranked within each label; best macro AUROC first."""
    return pooled_probe_detection([(run, truth_uri)], draws)


def pooled_probe_detection(runs: Sequence[tuple[Run, str]], draws: int = 1000) -> dict[str, ScoreDetection]:
    """The same over several runs with their truth tables."""
    from raysep.probes.stored import oriented_in

    judged = [judged_stems(run, truth_uri) for run, truth_uri in runs]
    names = [n for n in oriented_in(judged[0].table) if all(n in each.table.column_names for each in judged)]
    found = pooled_detection(judged, names, draws)
    return dict(sorted(found.items(), key=lambda item: -item[1].macro.estimate))


def judged_stems(run: Run, truth_uri: str) -> Judged:
    """What there is to judge in a run."""
    from raysep.corpus import storage, truth

    known = {row["stem_id"]: row for row in truth.read(storage.absolute(truth_uri))}
    table = run.read_table("stems.parquet")
    named = pc.is_in(table["stem_id"], pa.array(known, pa.string()))
    table = table.filter(pc.and_(named, pc.equal(table["outcome"], Outcome.SCORED)))
    rows = [known[i] for i in table["stem_id"].to_pylist()]
    return Judged(table, *(np.array([row[name] or "" for row in rows], dtype=str) for name in ("kind", "severity")))


def pooled_detection(judged: Sequence[Judged], names: Sequence[str], draws: int = 1000) -> dict[str, ScoreDetection]:
    """What the columns ``names``, higher = cleaner, find in the tables of ``judged_stems`` of several runs.

    Stems are ranked within the labels of their run, and there within their fold; songs are drawn from all runs. Empty when no
    stem has a fault.
    """
    from raysep.corpus import harm
    from raysep.decision.aggregate import numbers
    from raysep.decision.features import peers

    kind, severity = (np.concatenate([getattr(each, name) for each in judged]) for name in ("kind", "severity"))
    if not (kind != CLEAN).any():
        return {}
    label, track = (
        np.array([f"{i}/{value}" for i, each in enumerate(judged) for value in named(each.table)])
        for named in (peers, lambda table: table["track"].to_pylist())
    )
    weight = harm.stored().weight

    def found(name: str) -> ScoreDetection:
        score = np.concatenate([numbers(each.table, name) for each in judged])
        return score_detection(score, kind, label, track, draws, severity=severity, harm=weight)

    return {name: found(name) for name in names}
