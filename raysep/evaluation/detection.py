"""How well a decision finds the corrupted stems, by kind, severity and label, with intervals clustered by song.

Suspicion is oriented higher = more suspect; AUROC is that of ``ranking``. A kind's positives are its own stems, its
negatives *all* clean stems, so that the kinds are comparable and their mean (macro) does not depend on how frequent each
was; weighed by measured harm it is the first figure. Silent and failed stems carry no score:
they are left out of the ranking figures, and counted; they do count in what was removed and lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from raysep.errors import BadInput
from raysep.evaluation.bootstrap import Interval, cluster_weights, interval_of
from raysep.evaluation.ranking import CLEAN, finite_mean, roc_points, weighted_ranking
from raysep.evaluation.weighted import Harm, HarmWeighted, harm_weighted
from raysep.outcome import Outcome

Rows: TypeAlias = "pa.Table | Iterable[Mapping]"


@dataclass(frozen=True)
class Ranking:
    """How suspicion ranks some corrupted stems above the clean ones."""

    auroc: Interval
    average_precision: Interval
    positives: int
    negatives: int

    @property
    def prevalence(self) -> float:
        """The average precision that a random order would have."""
        return self.positives / max(1, self.positives + self.negatives)


@dataclass(frozen=True)
class Removal:
    """What a decision cost and bought, as shares of stems (silent and failed ones included); NaN for a share of nothing."""

    removed: int
    clean_lost: float  # of the clean stems, those not kept
    corrupted_removed: float  # of the corrupted stems, those not kept
    false_discoveries: float  # of the stems not kept, those that were clean; 0 when none was removed
    contamination_left: float  # of the stems kept, those that are corrupted
    true_share: float  # of all stems, those that are corrupted


@dataclass(frozen=True)
class Detection:
    weighted: HarmWeighted | None  # by measured harm; None when no harm was given
    overall: Ranking
    macro: Interval  # mean AUROC over kinds
    by_kind: dict[str, Ranking]
    by_severity: dict[str, Ranking]
    by_label: dict[str, Ranking]  # positives and negatives of that label alone
    removal: Removal
    silent: int
    failed: int
    silent_corrupted: int  # silent stems that the truth table calls corrupted (a merge empties one)
    roc: dict[str, list[tuple[float, float]]] = field(repr=False)  # "all" and each kind: (false, true) positive rate

    def to_dict(self) -> dict:
        """Plain numbers, lists and dictionaries, for JSON."""
        return asdict(self)


def detection(
    decision: Rows,
    truth: Rows,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    harm: Harm | None = None,
) -> Detection:
    """Compare a decision table with the truth table.

    Args:
        decision: rows ``stem_id, track, stem, outcome, suspicion, keep`` (pyarrow Table or list of dicts).
        truth: rows ``stem_id, kind, severity`` with kind ``"clean"`` for untouched stems (the same types).
        harm: dB of each kind and severity, as ``raysep.corpus.harm`` has it.

    Raises:
        BadInput: a judged stem has no truth row.
    """
    rows = _rows(decision)
    known = {row["stem_id"]: row for row in _rows(truth)}
    missing = [row["stem_id"] for row in rows if row["stem_id"] not in known]
    if missing:
        raise BadInput(
            f"the truth table lacks {len(missing)} of {len(rows)} judged stems, for example {missing[0]!r}; "
            "give the truth table of this corpus"
        )
    kind = np.array([known[row["stem_id"]]["kind"] for row in rows], dtype=object)
    severity = np.array([known[row["stem_id"]].get("severity") or "" for row in rows], dtype=object)
    outcome = np.array([row["outcome"] for row in rows], dtype=object)
    keep = np.array([bool(row["keep"]) for row in rows])
    scored = outcome == Outcome.SCORED

    label = np.array([row["stem"] for row in rows], dtype=object)[scored]
    track = np.array([row["track"] for row in rows], dtype=object)[scored]
    score = np.array([row["suspicion"] for row in rows], dtype=float)[scored]
    kinds, severities = kind[scored], severity[scored]
    clean, corrupt = kinds == CLEAN, kinds != CLEAN

    weights = np.vstack([np.ones((1, len(score)), dtype=int), cluster_weights(track, draws, seed)])

    def ranking(positive: np.ndarray, negative: np.ndarray) -> Ranking:
        areas, precisions = weighted_ranking(score, positive, negative, weights)
        return Ranking(
            interval_of(areas[0], areas[1:], level),
            interval_of(precisions[0], precisions[1:], level),
            int(positive.sum()),
            int(negative.sum()),
        )

    names = sorted(set(kinds[corrupt]))
    per_kind = [weighted_ranking(score, kinds == name, clean, weights)[0] for name in names]
    # A song drawn zero times may take a rare kind with it: such a draw averages the kinds that it has.
    macro = finite_mean(np.array(per_kind).reshape(len(names), len(weights)))
    return Detection(
        weighted=harm_weighted(score, kinds, severities, weights, harm, level) if harm else None,
        overall=ranking(corrupt, clean),
        macro=interval_of(macro[0], macro[1:], level),
        by_kind={name: ranking(kinds == name, clean) for name in names},
        by_severity={name: ranking(corrupt & (severities == name), clean) for name in sorted(set(severities[corrupt]))},
        by_label={name: ranking(corrupt & (label == name), clean & (label == name)) for name in sorted(set(label))},
        removal=removal(kind != CLEAN, keep),
        silent=int((outcome == Outcome.SILENT).sum()),
        failed=int((outcome == Outcome.FAILED).sum()),
        silent_corrupted=int(((outcome == Outcome.SILENT) & (kind != CLEAN)).sum()),
        roc={
            "all": roc_points(score, corrupt, clean),
            **{name: roc_points(score, kinds == name, clean) for name in names},
        },
    )


def removal(corrupt: np.ndarray, keep: np.ndarray) -> Removal:
    """Removal figures from two bool arrays ``(stem,)``."""
    corrupt, removed = np.asarray(corrupt, dtype=bool), ~np.asarray(keep, dtype=bool)
    return Removal(
        removed=int(removed.sum()),
        clean_lost=_share(removed[~corrupt]),
        corrupted_removed=_share(removed[corrupt]),
        false_discoveries=_share(~corrupt[removed]) if removed.any() else 0.0,
        contamination_left=_share(corrupt[~removed]),
        true_share=_share(corrupt),
    )


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else float("nan")


def _rows(table: Rows) -> list[dict]:
    return table.to_pylist() if isinstance(table, pa.Table) else [dict(row) for row in table]
