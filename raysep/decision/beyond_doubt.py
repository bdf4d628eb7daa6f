"""What is known of a stem by other evidence than the fusion's lifts its P(corrupt), and its place in the ranking with it."""

from __future__ import annotations

import numpy as np


def lifted(suspicion: np.ndarray, p_corrupt: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Suspicion and P(corrupt) of the judged rows, none below what is known of it.

    Args:
        suspicion: ``(row,)``, finite; P(corrupt) rises with it.
        p_corrupt: ``(row,)``, 0…1.
        known: ``(row,)``, what P(corrupt) is at least by the other evidence; NaN where there is none.

    Returns:
        Both ``(row,)``. A lifted row is ranked with the least suspect of those that are as probably corrupt without help, or with
        the most suspect where none is.
    """
    order = np.argsort(suspicion, kind="stable")
    rising = np.maximum.accumulate(p_corrupt[order]) if len(order) else p_corrupt
    raised, sure = suspicion.copy(), p_corrupt.copy()
    rows = np.flatnonzero(known > p_corrupt)
    place = np.minimum(np.searchsorted(rising, known[rows], side="left"), len(order) - 1)
    raised[rows] = np.maximum(suspicion[rows], suspicion[order[place]])
    sure[rows] = known[rows]
    return raised, sure
