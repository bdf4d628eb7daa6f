"""Detection weighed by harm: the faults that cost a separator most count most.

The AUROC of each kind and severity against all clean stems, averaged with the measured harm of that kind and severity
(dB below training on clean songs, never negative) as weights. What harms nothing counts nothing; what was never measured
is left out, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from raysep.evaluation.bootstrap import Interval, interval_of
from raysep.evaluation.ranking import CLEAN, finite_mean, weighted_ranking

Harm = Callable[[str, str], float]  # (kind, severity) → dB, NaN for what was never measured


@dataclass(frozen=True)
class HarmWeighted:
    auroc: Interval  # NaN when nothing of known harm is there
    weights: dict[str, float]  # "kind severity" → dB, of those there are
    unknown: dict[str, int]  # "kind severity" of unknown harm → stems left out

    @property
    def left_out(self) -> str:
        """In words, what the figure says nothing of; empty when that is nothing."""
        return ", ".join(f"{name} ({count} stems)" for name, count in self.unknown.items())


def harm_weighted(
    score: np.ndarray, kind: np.ndarray, severity: np.ndarray, rows: np.ndarray, harm: Harm, level: float = 0.95
) -> HarmWeighted:
    """Of suspicion ``(stem,)``, higher = more suspect, of stems with known kind (``"clean"`` = untouched) and severity.

    ``rows (draw, stem)`` says how often each draw of songs has each stem, the first row being all of them once. A draw
    that lacks a kind and severity averages those that it has.
    """
    cells = Counter((str(k), str(s)) for k, s in zip(kind, severity, strict=True) if k != CLEAN)
    known = {cell: float(harm(*cell)) for cell in sorted(cells)}
    used = {cell: weight for cell, weight in known.items() if weight > 0}
    clean = np.asarray(kind) == CLEAN
    areas = np.full((len(used), len(rows)), np.nan)
    for place, (name, strength) in enumerate(used):
        areas[place] = weighted_ranking(score, (kind == name) & (severity == strength), clean, rows)[0]
    drawn = finite_mean(areas, np.array(list(used.values())))
    return HarmWeighted(
        auroc=interval_of(drawn[0], drawn[1:], level),
        weights={" ".join(cell): weight for cell, weight in known.items() if np.isfinite(weight)},
        unknown={" ".join(cell): cells[cell] for cell, weight in known.items() if not np.isfinite(weight)},
    )
