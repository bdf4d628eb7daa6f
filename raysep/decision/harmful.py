"""How harmful a stem's fault probably is: wrong is not the same as harmful.

Wrong labels cost a separator decibels, a low-pass filter next to nothing (``corpus.harm``), while every stem that is left out
costs some of what there is to learn from. So of what looks wrong, a decision also asks what it looks like: by the planted
stems, whose kinds are known, and by what each kind cost where it was measured.

    harm = P(harmful | wrong) by a ridge logistic model of planted stems, each counted as harmful by h and as harmless by 1 - h

where h is the measured harm of its kind, 1 for the most harmful one. Harmful and harmless examples weigh the same in all, and
among them every kind the same. Corpus stems are never among the examples. What was never measured is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raysep.decision.logistic import Odds
from raysep.decision.roles import PLANTED

PENALTY = (
    30.0  # ridge, on standardised features, against examples that weigh ``WEIGHT`` in all: as the fusion's experts
)
WEIGHT = 100.0
AT_ONCE = 1 << 14  # rows
FEWEST = 4  # planted stems of a kind that harms, and of one that does not, from which it can be told


def harm_of_kinds(kinds: np.ndarray) -> dict[str, float]:
    """Kind → measured harm, 1 for the most harmful fault there is; without the kinds that were never measured."""
    from raysep.corpus.harm import stored

    table = stored()
    most = max(table.weight(row.kind, row.severity) for row in table.rows)
    known = {str(kind): [row.severity for row in table.rows if row.kind == kind] for kind in np.unique(kinds)}
    return {kind: max(table.weight(kind, each) for each in found) / most for kind, found in known.items() if found}


def expected_harm(features: np.ndarray, role: np.ndarray, kind: np.ndarray, harms: Mapping[str, float]) -> np.ndarray:
    """P(harmful | wrong) of every row ``(row,)``, 0…1; NaN for all when the planted stems cannot tell.

    Args:
        features: ``(row, feature)``, standardised within label, finite (``features.standardise``).
        role: of each row; the ``PLANTED`` ones are the examples.
        kind: of planted rows.
        harms: kind → 0…1, ``harm_of_kinds``.
    """
    examples = np.flatnonzero((role == PLANTED) & np.isin(kind, list(harms)))
    harm = np.array([harms[name] for name in kind[examples]])
    if min((harm >= 0.5).sum(), (harm < 0.5).sum()) < FEWEST:
        return np.full(len(features), np.nan)
    alike = np.array([(kind[examples] == name).sum() for name in kind[examples]])
    harmful, harmless = harm / alike, (1 - harm) / alike
    weights = WEIGHT / 2 * np.concatenate([harmful / harmful.sum(), harmless / harmless.sum()])
    columns = _columns(features[examples])
    # The examples stand twice: as what harms, and as what does not.
    twice, positive = np.concatenate([columns, columns]), np.arange(2 * len(examples)) < len(examples)
    odds = Odds.fitted(twice, positive, weights, PENALTY)
    parts = (features[first : first + AT_ONCE] for first in range(0, len(features), AT_ONCE))
    return np.concatenate([1 / (1 + np.exp(-odds(_columns(part)))) for part in parts])


def _columns(features: np.ndarray) -> np.ndarray:
    values = np.clip(features.astype(float), -4.0, 4.0)
    return np.column_stack([values, (values**2 - 1) / 2])
