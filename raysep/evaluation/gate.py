"""May anything be measured here? Only where what is to be repaired is far above what the seed alone does.

A condition in which contaminated training is hardly worse than clean training cannot tell one way of cleaning from
another. So the gate stands before any measurement: clean - contaminated must be at least five times the deviation of that
difference between seeds, the two of a pair trained alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FACTOR = 5.0


@dataclass(frozen=True)
class Gate:
    db: float  # clean minus contaminated, mean over seeds, songs and stems
    deviation: float  # of that difference between seeds (n - 1); NaN with a single one
    seeds: int
    factor: float
    passed: bool

    @property
    def words(self) -> str:
        if not np.isfinite(self.deviation):
            return f"gate not passed: {self.seeds} seed{'s' * (self.seeds != 1)}, and it needs two or more to know their deviation"
        sign = "≥" if self.passed else "<"
        return (
            f"gate {'passed' if self.passed else 'not passed'}: clean - contaminated {self.db:+.2f} dB {sign} "
            f"{self.factor:g} × {self.deviation:.3f} dB, the paired deviation of {self.seeds} seeds"
        )


def gate(clean: np.ndarray, contaminated: np.ndarray, factor: float = FACTOR) -> Gate:
    """Of two arms' SDR in dB, ``(seed,)`` or ``(seed, song[, stem])``: the same seeds, songs and stems in the same order.

    A song and stem in which a value is not finite, with any seed of either arm, is left out of both. Passed when the mean
    difference is above 0 and at least ``factor`` times its deviation over seeds; never with a single seed, which says
    nothing of it. Raises ``ValueError`` when the arms are not of one shape.
    """
    ours, theirs = (np.asarray(arm, dtype=float) for arm in (clean, contaminated))
    if ours.shape != theirs.shape or not ours.ndim or not len(ours):
        raise ValueError(f"clean {ours.shape}, contaminated {theirs.shape}: need the same seeds, songs and stems")
    cells = (ours - theirs).reshape(len(ours), -1)  # (seed, cell)
    cells = cells[:, np.isfinite(cells).all(axis=0)]
    by_seed = cells.mean(axis=1) if cells.size else np.full(len(ours), np.nan)
    db = float(by_seed.mean())
    deviation = float(by_seed.std(ddof=1)) if len(by_seed) > 1 else float("nan")
    return Gate(db, deviation, len(by_seed), factor, bool(db > 0 and db >= factor * deviation))
