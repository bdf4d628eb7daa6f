"""What fault a stem looks like, by the planted ones, whose kinds are known.

A linear discriminant of the planted stems' standardised scores, its covariance shrunk (Ledoit and Wolf 2004). It says which
*planted* kind a stem is most like if it is wrong at all; a fault that nobody planted is taken for the nearest one, so it is a
guess, and shown as one.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from raysep.decision.aggregate import text_column
from raysep.decision.roles import CORPUS, PLANTED
from raysep.decision.verdicts import comparable
from raysep.outcome import Outcome

FEWEST = 3  # planted stems of a kind from which it is told
WORTH_SAYING = 0.6  # of its probability


def guessed_kinds(stems: pa.Table, oriented: list[str]) -> dict[str, tuple[str, float]]:
    """stem_id → (the planted kind that a scored corpus stem is most like, its probability among the planted kinds).

    Empty where fewer than two kinds were planted often enough.
    """
    rows = stems.filter(pa.array(text_column(stems, "outcome") == Outcome.SCORED))
    role, kind = text_column(rows, "role", CORPUS), text_column(rows, "kind", "")
    names, counts = np.unique(kind[role == PLANTED].astype(str), return_counts=True)
    enough = names[(counts >= FEWEST) & (names != "")]
    examples, judged = (role == PLANTED) & np.isin(kind, enough), role == CORPUS
    if len(enough) < 2 or not judged.any():
        return {}
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    features, _ = comparable(rows, role, None, oriented)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=np.full(len(enough), 1 / len(enough)))
    model.fit(features[examples], kind[examples].astype(str))
    chances = model.predict_proba(features[judged])
    stem_ids = rows["stem_id"].filter(pa.array(judged)).to_pylist()
    return {
        name: (str(model.classes_[best]), float(chance[best]))
        for name, chance, best in zip(stem_ids, chances, chances.argmax(axis=1), strict=True)
    }
