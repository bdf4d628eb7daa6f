"""How suspect each scored stem is: by all probes on one scale, fused, or by one of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from raysep.decision.aggregate import WORST, numbers, probe_names
from raysep.decision.features import informative, mean_suspicion, peers, standardise
from raysep.decision.fusion import Fusion, fuse
from raysep.errors import BadInput


def comparable(
    scored: pa.Table, role: np.ndarray, probes: Sequence[str] | None, oriented: Collection[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    """The scored rows' probes on one scale ``(row, feature)``, and which of them are oriented ``(feature,)``."""
    fit = np.isin(role, ("corpus", "calibration"))
    names = tuple(probes) if probes is not None else probe_names(scored)
    values = np.stack([numbers(scored, name) for name in names], axis=1) if names else np.zeros((len(role), 0))
    features = standardise(values, peers(scored), fit)
    used = informative(features, fit)
    names = tuple(name for name, kept in zip(names, used, strict=True) if kept)
    known = [oriented is None or name.removesuffix(WORST) in oriented for name in names]
    return features[:, used], np.array(known, dtype=bool)


def fused_suspicion(
    features: np.ndarray,
    oriented: np.ndarray,
    role: np.ndarray,
    group: np.ndarray,
    kind: np.ndarray,
    calibrated: bool,
    seed: int,
    fusion: Fusion | None = None,
    said: np.ndarray | None = None,
) -> np.ndarray:
    """Suspicion ``(row,)`` of comparable features: the fusion, or without calibration the mean of the probes."""
    if calibrated:
        return fuse(features, role, group, kind, seed, fusion, oriented, said)
    return mean_suspicion(features, oriented)


def by_one_probe(scored: pa.Table, role: np.ndarray, probe: str) -> np.ndarray:
    """Suspicion ``(row,)`` by a single probe. Raises ``BadInput`` for one that the scores do not have."""
    if probe not in scored.column_names:
        raise BadInput(f"ratio by probe {probe!r}: the scores have {', '.join(probe_names(scored))}")
    fit = np.isin(role, ("corpus", "calibration"))
    return -standardise(numbers(scored, probe)[:, None], peers(scored), fit, limit=np.inf)[:, 0]
