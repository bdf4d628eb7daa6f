"""How well a single score finds the corrupted stems: ranked within each label, by kind, with intervals clustered by song.

A probe's values are not comparable between labels (drums are louder than vocals), so they are replaced by their rank among
the stems of the same label; a stem without a value stands in the middle. AUROC as in ``detection``: a kind against all
clean stems, macro = the mean over kinds. Below 0.5 the score ranks that kind the wrong way round.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from raysep.evaluation.bootstrap import Interval, cluster_weights, interval_of
from raysep.evaluation.ranking import CLEAN, finite_mean, weighted_ranking
from raysep.evaluation.weighted import Harm, HarmWeighted, harm_weighted


@dataclass(frozen=True)
class ScoreDetection:
    macro: Interval
    by_kind: dict[str, Interval]
    drawn: np.ndarray = field(repr=False)  # (draw,) macro AUROC of each bootstrap draw of songs
    drawn_by_kind: dict[str, np.ndarray] = field(repr=False)  # kind → (draw,), of the same draws
    weighted: HarmWeighted | None = None  # by measured harm; None when no harm was given


def suspicion_within_label(score: np.ndarray, label: np.ndarray) -> np.ndarray:
    """``(stem,)`` ranks in 0 … 1 of scores (higher = cleaner), the most suspect of each label highest; NaN becomes 0.5."""
    from scipy.stats import rankdata

    score = np.asarray(score, dtype=float)
    suspicion = np.full(len(score), 0.5)
    for each in np.unique(label):
        members = (label == each) & np.isfinite(score)
        suspicion[members] = (rankdata(-score[members]) - 0.5) / max(1, members.sum())
    return suspicion


def score_detection(
    score: np.ndarray,
    kind: np.ndarray,
    label: np.ndarray,
    track: np.ndarray,
    draws: int = 1000,
    seed: int = 0,
    *,
    severity: np.ndarray | None = None,
    harm: Harm | None = None,
) -> ScoreDetection:
    """Of one score ``(stem,)``, higher = cleaner, of stems with known ``kind`` (``"clean"`` = untouched).

    With ``severity`` and ``harm``, also weighed by the harm of each kind and severity. The same seed draws the same songs for every score, so differences of ``drawn`` are paired.
    """
    kind, label = np.asarray(kind), np.asarray(label)
    suspicion = suspicion_within_label(score, label)
    weights = np.vstack([np.ones((1, len(kind)), dtype=int), cluster_weights(track, draws, seed)])
    names = sorted(set(kind.tolist()) - {CLEAN})
    areas = {name: weighted_ranking(suspicion, kind == name, kind == CLEAN, weights)[0] for name in names}
    macro = finite_mean(np.array(list(areas.values())))
    return ScoreDetection(
        interval_of(macro[0], macro[1:]),
        {name: interval_of(area[0], area[1:]) for name, area in areas.items()},
        macro[1:],
        {name: area[1:] for name, area in areas.items()},
        harm_weighted(suspicion, kind, severity, weights, harm) if severity is not None and harm is not None else None,
    )


def macro_difference(first: ScoreDetection, second: ScoreDetection) -> Interval:
    """By how much the first's macro AUROC is above the second's, over the same draws of songs."""
    return interval_of(first.macro.estimate - second.macro.estimate, first.drawn - second.drawn)
