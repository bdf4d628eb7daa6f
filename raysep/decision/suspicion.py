"""How suspect each scored stem is: by all probes on one scale, fused, or by one of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa

from raysep.decision.aggregate import WORST, coded, numbers, probe_names
from raysep.decision.features import Scale, digest, informative, mean_suspicion, on_scale, peers, scale_of, standardise
from raysep.decision.fusion import Fusion, fuse
from raysep.errors import BadInput


def comparable(
    stems: pa.Table,
    role: np.ndarray,
    probes: Sequence[str] | None,
    oriented: Collection[str] | None,
    scored: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The scored rows' probes on one scale, float32 ``(row, feature)``, and which of them are oriented ``(feature,)``.

    ``role`` is of the scored rows; ``scored`` says which of the table's they are, None = all. One column of the table after
    another, so that no more than the result is held.
    """
    names = tuple(probes) if probes is not None else probe_names(stems)
    features = np.empty((len(role), len(names)), dtype=np.float32, order="F")
    known: list[bool] = []
    for name, column, _ in informative_columns(stems, role, names, scored):
        features[:, len(known)] = column
        known.append(oriented is None or name.removesuffix(WORST) in oriented)
    return features[:, : len(known)], np.array(known, dtype=bool)


def informative_columns(
    stems: pa.Table, role: np.ndarray, names: Sequence[str], scored: np.ndarray | None = None
) -> Iterator[tuple[str, np.ndarray, Scale]]:
    """Those of the columns that say something and repeat no other: name, the scored rows on one scale ``(row,)``, that scale.

    A scale goes by the numbers of ``numbered_peers``.
    """
    rows = np.ones(len(stems), dtype=bool) if scored is None else scored
    fit = np.isin(role, ("corpus", "calibration"))
    labels, among = numbered_peers(stems)
    among = among[rows]
    seen, raw = set[bytes](), set[bytes]()
    for name in names:
        values = numbers(stems, name)[rows]
        if (own := digest(values)) in raw:
            continue  # it would repeat the other on that scale too
        raw.add(own)
        scale = scale_of(values[:, None], among, fit, labels)
        column = on_scale(values[:, None], among, scale)
        if informative(column, fit, seen)[0]:
            yield name, column[:, 0], scale


def numbered_peers(stems: pa.Table) -> tuple[int, np.ndarray]:
    """How many ``peers`` there are, and which each row has ``(row,)``."""
    names, among = coded(peers(stems))
    return len(names), among


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


def by_one_probe(stems: pa.Table, role: np.ndarray, probe: str, scored: np.ndarray) -> np.ndarray:
    """Suspicion ``(row,)`` of the scored rows by a single probe. Raises ``BadInput`` for one that the scores do not have."""
    if probe not in stems.column_names:
        raise BadInput(f"ratio by probe {probe!r}: the scores have {', '.join(probe_names(stems))}")
    fit = np.isin(role, ("corpus", "calibration"))
    _, among = coded(peers(stems)[scored])
    return -standardise(numbers(stems, probe)[scored][:, None], among, fit, limit=np.inf)[:, 0]
