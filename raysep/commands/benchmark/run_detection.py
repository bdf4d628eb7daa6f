"""What the decisions of `raysep benchmark run` found: ranking over all draws, share and removal of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raysep.corpus import harm
from raysep.decision.aggregate import numbers
from raysep.decision.rules import FUSED
from raysep.evaluation.bootstrap import Interval
from raysep.evaluation.scores import ScoreDetection, score_detection
from raysep.probes.stored import oriented_in
from raysep.report.detection import Judged, judge, judged_stems, pooled_detection
from raysep.rundir import Run

BY_HARM, MACRO = "weighed by harm", "macro over kinds"
NOTHING = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Found:
    """AUROC of one measure: of the fusion, and of the single probe that is best at it, chosen with hindsight.

    Probes rank within a label, since their values mean something else in each; the fusion's suspicion is comparable between
    labels, and so the decision uses it. Set beside a probe it is ranked as that is.
    """

    measure: str  # BY_HARM, MACRO or "kind NAME"
    fused: Interval  # all stems of a draw ranked together
    fused_within: Interval  # within the labels
    probe: str
    best: Interval  # within the labels


@dataclass(frozen=True)
class DrawFigure:
    """One draw's decision against the truth, as `raysep benchmark detection` has it; shares of stems."""

    draw: int
    true_share: float
    estimated_share: float | None
    low: float | None
    high: float | None
    removed: int
    corrupted_removed: float
    clean_lost: float
    contamination_left: float
    by_harm: float  # AUROC of suspicion; NaN where no fault has a known harm
    macro: float  # NaN where no stem has a fault


@dataclass(frozen=True)
class Detected:
    found: list[Found]  # empty when no stem of any draw has a fault
    draws: list[DrawFigure]


def detection(runs: Sequence[tuple[int, Run, str]], draws: int = 1000) -> Detected:
    """Of finished runs, each with its number and its truth table. Intervals are over the songs of all draws."""
    judged = [_with_fused(run, truth) for _, run, truth in runs]
    probes = [n for n in oriented_in(judged[0].table) if all(n in each.table.column_names for each in judged)]
    scores = pooled_detection(judged, [FUSED, *probes], draws)
    found = []
    if scores:
        whole = _across_labels(judged, draws)
        reads: dict[str, Callable[[ScoreDetection], Interval]] = {BY_HARM: _by_harm, MACRO: lambda score: score.macro}
        reads |= {f"kind {kind}": _of_kind(kind) for kind in whole.by_kind}
        found = [_found(measure, whole, scores, read) for measure, read in reads.items()]
    return Detected(found, [_draw(*each) for each in runs])


def _across_labels(judged: Sequence[Judged], draws: int) -> ScoreDetection:
    """The fusion with the stems of all labels ranked together, each draw by itself: of one draw what ``judge`` gives."""
    tracks = [[f"{i}/{track}" for track in each.table["track"].to_pylist()] for i, each in enumerate(judged)]
    return score_detection(
        np.concatenate([numbers(each.table, FUSED) for each in judged]),
        np.concatenate([each.kind for each in judged]),
        np.concatenate([np.full(len(each.kind), i) for i, each in enumerate(judged)]),
        np.concatenate(tracks),
        draws,
        severity=np.concatenate([each.severity for each in judged]),
        harm=harm.stored().weight,
    )


def _found(
    measure: str,
    whole: ScoreDetection,
    scores: dict[str, ScoreDetection],
    read: Callable[[ScoreDetection], Interval],
) -> Found:
    each = {name: read(score) for name, score in scores.items() if name != FUSED}
    # NaN is no best, and of equal ones the first by name is taken.
    best = min(each, key=lambda name: (-each[name].estimate if each[name].estimate >= 0 else 1.0, name), default="")
    return Found(measure, read(whole), read(scores[FUSED]), best, each.get(best, NOTHING))


def _by_harm(score: ScoreDetection) -> Interval:
    return score.weighted.auroc if score.weighted else NOTHING


def _of_kind(kind: str) -> Callable[[ScoreDetection], Interval]:
    return lambda score: score.by_kind[kind]


def _with_fused(run: Run, truth: str) -> Judged:
    """``judged_stems`` with a column of the decision's suspicion, turned round: higher = cleaner, as probes are."""
    judged = judged_stems(run, truth)
    suspicion = {row["stem_id"]: row["suspicion"] for row in run.read_table("decision.parquet").to_pylist()}
    fused = [-suspicion[stem_id] for stem_id in judged.table["stem_id"].to_pylist()]
    return judged._replace(table=judged.table.append_column(FUSED, pa.array(fused, pa.float64())))


def _draw(number: int, run: Run, truth: str) -> DrawFigure:
    found, summary = judge(run, truth), run.read_json("summary.json")
    removal = found.removal
    low, high = summary["estimated_share_interval"] or (None, None)
    return DrawFigure(
        draw=number,
        true_share=removal.true_share,
        estimated_share=summary["estimated_share"],
        low=low,
        high=high,
        removed=removal.removed,
        corrupted_removed=removal.corrupted_removed,
        clean_lost=removal.clean_lost,
        contamination_left=removal.contamination_left,
        by_harm=found.weighted.auroc.estimate if found.weighted else float("nan"),
        macro=found.macro.estimate,
    )
