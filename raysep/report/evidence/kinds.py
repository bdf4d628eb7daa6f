"""What fault a stem looks like, by the planted ones, whose kinds are known.

    kind = argmax of a ridge multinomial logistic model of the planted stems' standardised scores

It is told beside how often it was right of planted stems of tracks that it was not fitted on, and left unsaid where that was
not often: a few planted songs cannot tell ten kinds apart. A fault that nobody planted is taken for the nearest one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raysep.decision.aggregate import text_column
from raysep.decision.roles import CORPUS, PLANTED
from raysep.decision.suspicion import comparable
from raysep.outcome import Outcome

FEWEST = 3  # planted stems of a kind from which it is told, and guesses of it by which it is judged
OFTEN = 0.7  # of them right: then it is worth saying
STRENGTH = 0.03  # inverse of the ridge penalty, on standardised features
FOLDS = 8


class Guess(NamedTuple):
    kind: str
    right: int  # of the planted stems of other tracks that looked like this kind, how many were
    of: int
    sure: float = 1.0  # the model's own chance of this kind, among the kinds that were planted

    @property
    def worth_saying(self) -> bool:
        return self.of >= FEWEST and self.right >= OFTEN * self.of


def guessed_kinds(stems: pa.Table, oriented: list[str]) -> dict[str, Guess]:
    """stem_id → the planted kind that a scored corpus stem is most like, if it is wrong at all.

    ``stems`` as in ``stems.parquet``. Empty where fewer than two kinds were planted often enough.
    """
    rows = stems.filter(pa.array(text_column(stems, "outcome") == Outcome.SCORED))
    role, kind = text_column(rows, "role", CORPUS), text_column(rows, "kind", "").astype(str)
    track = text_column(rows, "group" if "group" in rows.column_names else "track", "").astype(str)
    names, counts = np.unique(kind[role == PLANTED], return_counts=True)
    examples = (role == PLANTED) & np.isin(kind, names[(counts >= FEWEST) & (names != "")])
    judged = role == CORPUS
    if len(np.unique(kind[examples])) < 2 or not judged.any():
        return {}
    features, _ = comparable(rows, role, None, oriented)
    kinds, sure = model(features[examples], kind[examples])(features[judged])
    checked = out_of_track(features[examples], kind[examples], track[examples])
    true = kind[examples]
    right = {
        name: (int((true[checked == name] == name).sum()), int((checked == name).sum())) for name in np.unique(kinds)
    }
    stem_ids = rows["stem_id"].filter(pa.array(judged)).to_pylist()
    given = zip(stem_ids, kinds, sure.tolist(), strict=True)
    return {stem_id: Guess(str(name), *right[name], chance) for stem_id, name, chance in given}


def model(features: np.ndarray, kind: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """What gives the kinds of other rows, and the chance of each, every kind counting the same."""
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=300).fit(features, kind)

    def given(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chances = found.predict_proba(rows)
        return np.asarray(found.classes_[chances.argmax(axis=1)], dtype=str), chances.max(axis=1)

    return given


def out_of_track(features: np.ndarray, kind: np.ndarray, track: np.ndarray) -> np.ndarray:
    """The kind that each row is given by the rows of other tracks ``(row,)``; "" where these are all of one kind."""
    tracks = np.unique(track)
    fold = np.searchsorted(tracks, track) % min(FOLDS, max(2, len(tracks)))
    given = np.full(len(kind), "", dtype=kind.dtype)
    for number in np.unique(fold):
        rest = fold != number
        if len(np.unique(kind[rest])) > 1:
            given[~rest] = model(features[rest], kind[rest])(features[~rest])[0]
    return given
