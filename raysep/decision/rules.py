"""Who is removed: the three rules, and the floor below which none of them may empty a label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raysep.decision.conformal import adjusted
from raysep.outcome import Outcome

FUSED = "fused"
LEAST_STEMS = 4  # of a label, that are always left


@dataclass(frozen=True)
class Threshold:
    """Remove when P(corrupt) is above: v / (v + h) for v the loss of a clean stem and h the harm of a corrupted one."""

    p: float = 0.5


@dataclass(frozen=True)
class FalseDiscoveryRate:
    """Remove as many as possible with an expected share of clean stems among the removed of at most ``level``."""

    level: float = 0.1


@dataclass(frozen=True)
class Ratio:
    """Remove the most suspect ``share`` of each label (the paper's rule), by the fusion or by one oriented probe."""

    share: float = 0.3
    probe: str = FUSED


Rule = Threshold | FalseDiscoveryRate | Ratio


@dataclass(frozen=True)
class Judged:
    """Corpus stems as arrays ``(stem,)``; NaN stands for "not known" until the table is written."""

    label: np.ndarray
    outcome: np.ndarray
    suspicion: np.ndarray
    p_value: np.ndarray
    p_corrupt: np.ndarray


def apply_rule(rule: Rule, judged: Judged, clean_share: float, refusal: str | None) -> tuple[np.ndarray, list[str]]:
    """Whether to keep each stem, before the floor, and why."""
    p = judged.p_corrupt
    scored = judged.outcome == Outcome.SCORED
    values = p
    if isinstance(rule, Ratio):
        keep = _ratio(rule, judged)
        gone = f"among the most suspect {rule.share:.0%} of its label by {rule.probe}"
        left = f"not {gone}"
    elif refusal is not None:
        keep = judged.outcome != Outcome.FAILED
        gone = left = _plain(f"ranked only: {refusal}")
    elif isinstance(rule, Threshold):
        keep = ~(p > rule.p)
        gone, left = f"P(corrupt) {{:.2f}} above {rule.p:g}", f"P(corrupt) {{:.2f}} not above {rule.p:g}"
    else:
        values = 1 - p  # a silent stem has no p-value: its own P(corrupt) must be as sure as the level asks
        values[scored] = adjusted(judged.p_value[scored], max(clean_share, 0.0))
        keep = values > rule.level
        gone = f"adjusted p-value {{:.3f}} within the false discovery rate {rule.level:g}"
        left = f"adjusted p-value {{:.3f}} above the false discovery rate {rule.level:g}"
    keep = keep & (judged.outcome != Outcome.FAILED)
    texts: dict[str, str] = {}  # equal ones are held once
    reasons = [
        texts.setdefault(text := (left if kept else gone).format(value), text)
        for kept, value in zip(keep.tolist(), values.tolist(), strict=True)
    ]
    for i in np.flatnonzero(judged.outcome == Outcome.SILENT):
        reasons[i] = f"no audible segment; {reasons[i]}"
    for i in np.flatnonzero(judged.outcome == Outcome.FAILED):
        reasons[i] = "could not be read: see failed.parquet"
    return keep, reasons


def _plain(text: str) -> str:
    """As it is, where a text is formatted."""
    return text.replace("{", "{{").replace("}", "}}")


def respect_floor(keep: np.ndarray, judged: Judged, floor: float, reasons: list[str]) -> np.ndarray:
    """Keep the least suspicious audible stems of a label that would be left with too few; the reasons say so."""
    keep = keep.copy()
    for label in np.unique(judged.label.astype(str)):
        members = np.flatnonzero(judged.label == label)
        audible = members[judged.outcome[members] == Outcome.SCORED]
        needed = min(len(audible), max(LEAST_STEMS, int(np.ceil(floor * len(members) - 1e-9))))
        missing = needed - int(keep[audible].sum())
        removed = audible[~keep[audible]]
        for i in removed[np.argsort(judged.suspicion[removed], kind="stable")][: max(0, missing)]:
            keep[i] = True
            reasons[i] = f"kept by the floor: {label} needs {needed} stems; {reasons[i]}"
    return keep


def _ratio(rule: Ratio, judged: Judged) -> np.ndarray:
    keep = np.ones(len(judged.label), dtype=bool)
    for label in np.unique(judged.label.astype(str)):
        members = np.flatnonzero(judged.label == label)
        order = members[np.argsort(-judged.suspicion[members], kind="stable")]
        keep[order[: round(rule.share * len(members))]] = False
    return keep
