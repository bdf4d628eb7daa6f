"""What fault a stem looks like, by the planted ones, whose kinds are known.

    kind = argmax of a ridge multinomial logistic model of the planted stems' standardised scores

It is told beside how often it was right of planted stems of tracks that it was not fitted on, and left unsaid where that was
not often: a few planted songs cannot tell ten kinds apart. A fault that nobody planted is taken for the nearest one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raysep.corpus.columns import blocks
from raysep.corpus.lookup import row_of
from raysep.decision.aggregate import numbers, probe_names, text_column
from raysep.decision.features import Scale, on_scale
from raysep.decision.roles import CORPUS, PLANTED
from raysep.decision.suspicion import informative_columns, numbered_peers
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


class Guesses(Mapping[str, Guess]):
    """stem_id → its guess, by column ``(stem,)``."""

    def __init__(self, stem_ids: pa.ChunkedArray, kinds: list[Guess], kind: np.ndarray, sure: np.ndarray) -> None:
        self.stem_ids, self.kinds, self.kind, self.sure = stem_ids, kinds, kind, sure

    @classmethod
    def none(cls) -> Guesses:
        return cls(pa.chunked_array([], pa.string()), [], np.zeros(0, dtype=int), np.zeros(0))

    @cached_property
    def _row_of(self) -> Mapping[str, int]:
        return row_of(self.stem_ids)

    def __getitem__(self, stem_id: str) -> Guess:
        row = self._row_of[stem_id]
        return self.kinds[self.kind[row]]._replace(sure=float(self.sure[row]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._row_of)

    def __len__(self) -> int:
        return len(self.kind)


def guessed_kinds(stems: pa.Table, oriented: list[str]) -> Guesses:
    """The planted kind that each scored corpus stem is most like, if it is wrong at all.

    ``stems`` as in ``stems.parquet``, or what has its columns. None where fewer than two kinds were planted often enough. The
    features are made twice, of the planted stems and then of the others a block after another: all at once they are as large
    as the table.
    """
    scored = text_column(stems, "outcome") == Outcome.SCORED
    role, kind = text_column(stems, "role", CORPUS)[scored], text_column(stems, "kind", "")[scored].astype(str)
    names, counts = np.unique(kind[role == PLANTED], return_counts=True)
    examples = (role == PLANTED) & np.isin(kind, names[(counts >= FEWEST) & (names != "")])
    judged = role == CORPUS
    if len(np.unique(kind[examples])) < 2 or not judged.any():
        return Guesses.none()
    track = text_column(stems, "group" if "group" in stems.column_names else "track", "")[scored][examples].astype(str)
    columns: list[np.ndarray] = []
    scales: dict[str, Scale] = {}
    for name, column, scale in informative_columns(stems, role, probe_names(stems), scored):
        columns.append(column[examples])
        scales[name] = scale
    features, true = np.stack(columns, axis=1) if columns else np.zeros((int(examples.sum()), 0)), kind[examples]
    given = model(features, true)
    checked = out_of_track(features, true, track)
    wanted = scored.copy()
    wanted[scored] = judged
    parts = [given(block) for block in _blocks(stems, scales, wanted)]
    found, sure = (np.concatenate(each) for each in zip(*parts, strict=True))
    told, number = np.unique(found, return_inverse=True)
    right = [((true[checked == name] == name).sum(), (checked == name).sum()) for name in told]
    guesses = [Guess(str(name), int(hits), int(of)) for name, (hits, of) in zip(told, right, strict=True)]
    return Guesses(stems["stem_id"].filter(pa.array(wanted)), guesses, number, sure)


def _blocks(stems: pa.Table, scales: Mapping[str, Scale], wanted: np.ndarray) -> Iterator[np.ndarray]:
    """The features of the wanted rows ``(row, feature)``, some at a time."""
    _, peers = numbered_peers(stems)
    first = 0
    for block in blocks(stems, list(scales)):
        here = slice(first, first + len(block))
        rows, peer = wanted[here], peers[here][wanted[here]]
        if rows.any():
            values = ((numbers(block, name)[rows][:, None], scale) for name, scale in scales.items())
            yield np.concatenate([on_scale(column, peer, scale) for column, scale in values], axis=1)
        first += len(block)


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
