"""What speaks against a stem: the probes by which it stands lowest among the stems of its label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from raysep.decision.aggregate import numbers
from raysep.outcome import Outcome


def standings(stems: pa.Table, oriented: Sequence[str]) -> dict[str, dict[str, float]]:
    """stem_id → probe → share of the scored stems of its label that score as low or lower, in (0, 1].

    ``stems`` has ``stem_id, stem, outcome`` and a column for each of ``oriented``, probes whose score is higher = cleaner. A
    stem has no standing by a probe that gave it no number.
    """
    label, outcome, stem_ids = (np.array(stems[n].to_pylist(), dtype=object) for n in ("stem", "outcome", "stem_id"))
    found: dict[str, dict[str, float]] = {stem_id: {} for stem_id in stem_ids}
    for name in oriented:
        values = numbers(stems, name)
        for each in set(label):
            mine = label == each
            peers = np.sort(values[mine & (outcome == Outcome.SCORED) & np.isfinite(values)])
            for row in np.flatnonzero(mine & np.isfinite(values)) if len(peers) else ():
                found[stem_ids[row]][name] = float(np.searchsorted(peers, values[row], side="right") / len(peers))
    return found


def strongest(standing: dict[str, float], count: int = 4) -> list[str]:
    """The probes by which a stem stands lowest, the lowest first."""
    return sorted(standing, key=lambda name: (standing[name], name))[:count]
