"""From a first look at every stem to where the further segments go: suspicion, boundary, variance, allocation.

A stem is treated by what its scores say, never by its role: its suspicion is of a model that was not fitted on its own
track, and the boundary and the common variance are the same for all. So clean corpus stems and calibration stems get
segments by the same rule, and stay exchangeable.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from raysep.decision.aggregate import WORST, numbers, probe_names, text_column
from raysep.decision.effort import allocate, segment_variance
from raysep.decision.features import peers, standardise
from raysep.decision.fusion import can_fuse
from raysep.decision.suspicion import comparable, fused_suspicion
from raysep.decision.verdicts import judged_posterior, trusted_share

RIDGE = 0.1  # penalty of the linearisation, a stem: probes repeat each other
ROLES = ("calibration", "corpus", "planted")


def further_segments(
    stems: pa.Table, rows: pa.Table, unread: np.ndarray, budget: int, threshold: float = 0.5, seed: int = 0
) -> pa.Table:
    """How many further segments each stem gets, and why; a row per row of ``stems``.

    Args:
        stems: scored stems of the first look, with roles (see ``decide.decide``).
        rows: their scored segments: ``stem_id, stem`` and a column per probe.
        unread: audible segments that are left of each stem ``(stem,)``.
        budget: further segments, over all stems.
        threshold: segments are worth most where P(corrupt) crosses it.

    Returns:
        ``stem_id, suspicion, boundary`` (null without calibration that can be trusted: then all stems get as many),
        ``variance`` of a single segment's suspicion, and ``read, unread, further`` segments.
    """
    suspicion, boundary = _sides(stems, threshold, seed)
    count = stems["audible"].to_numpy().astype(np.int64)
    variance = segment_variance(_squares(stems, rows, suspicion), count)
    names = stems["stem_id"].to_pylist()
    return pa.table(
        {
            "stem_id": names,
            "suspicion": suspicion,
            "boundary": pa.array([boundary] * len(names), pa.float64()),
            "variance": variance,
            "read": count,
            "unread": np.asarray(unread, dtype=np.int64),
            "further": allocate(
                names,
                suspicion if boundary is not None else np.full(len(names), np.nan),
                variance,
                count,
                unread,
                boundary or 0.0,
                budget,
                seed,
            ),
        }
    )


def _sides(stems: pa.Table, threshold: float, seed: int) -> tuple[np.ndarray, float | None]:
    """Suspicion ``(stem,)`` and the boundary in it, by the decision's own steps; no boundary where it would only rank."""
    role, group, kind = (text_column(stems, name) for name in ("role", "group", "kind"))
    sets = {name: role == name for name in ROLES}
    if not sets["corpus"].any():
        return np.zeros(len(stems)), None
    calibrated = can_fuse(role, group)
    suspicion = fused_suspicion(*comparable(stems, role, None, None), role, group, kind, calibrated, seed)
    share, refusal = trusted_share(suspicion, sets, group, calibrated, True, seed)
    if share is None or refusal is not None:
        return suspicion, None
    judged = suspicion[sets["corpus"]]
    p_corrupt = judged_posterior(suspicion[sets["calibration"]], judged, suspicion[sets["planted"]], share)
    return suspicion, between(judged, p_corrupt <= threshold)


def between(suspicion: np.ndarray, keep: np.ndarray) -> float:
    """Halfway from the most suspect kept stem to the least suspect removed one; the outermost where all are on one side."""
    kept, removed = suspicion[keep], suspicion[~keep]
    low = kept.max() if len(kept) else removed.min()
    return float((low + (removed.min() if len(removed) else low)) / 2)


def _squares(stems: pa.Table, rows: pa.Table, suspicion: np.ndarray) -> np.ndarray:
    """Sum over each stem's segments of the squared deviation of their suspicion from the stem's ``(stem,)``.

    A segment has no suspicion of its own. What it would add is read off a straight line: the ridge regression of the
    stems' suspicion on their mean scores, given the segment's scores.
    """
    names = [name for name in probe_names(stems) if not name.endswith(WORST) and name in rows.column_names]
    if not names:
        return np.zeros(len(stems))
    place = {name: i for i, name in enumerate(stems["stem_id"].to_pylist())}
    owner = np.array([place[name] for name in rows["stem_id"].to_pylist()], dtype=np.int64)
    values = np.vstack([np.stack([numbers(part, name) for name in names], axis=1) for part in (stems, rows)])
    among = peers(stems)
    fit = np.arange(len(values)) < len(stems)
    scores = standardise(values, np.concatenate([among, among[owner]]), fit)
    known, single = scores[fit], scores[~fit]
    gram = known.T @ known + RIDGE * len(known) * np.eye(len(names))
    slope = np.linalg.solve(gram, known.T @ (suspicion - suspicion.mean()))
    shown = single @ slope
    seen = np.bincount(owner, minlength=len(stems))
    mean = np.bincount(owner, weights=shown, minlength=len(stems)) / np.maximum(seen, 1)
    return np.bincount(owner, weights=(shown - mean[owner]) ** 2, minlength=len(stems))
