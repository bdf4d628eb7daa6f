"""Which other label a removed stem belongs to, where independent sources agree on one.

    margin of a label = how much the stem is like it - how much like the label that is next    (in the source's own unit)

A stem is taken for another label when every source puts that label first, and each source that never saw the corpus does so

    by more than it draws clean stems to a label that is not theirs, and
    by as much as nearly all clean stems of that label show for it.

A stem that two instruments share, merged, leaves no label such a margin. The network that learned the stem by its wrong
label leans to that: its margin is not that of a clean stem, but where it puts another label first all the same, that counts.

Two stems of a track that were exchanged say so together, and more surely than either alone. Their margins add up to

    exchange of a, b = (like b - like a) of the stem called a + (like a - like b) of the stem called b

and where every source that never saw the corpus finds it further above 0 than the pair of clean stems of one track that is
nearest to 0 lies below it, or beyond one that lies above, both belong to the other's label. A pair of clean stems, however unusual one of them is, has the other against it. None of
n clean pairs being like that, P(corrupt) is then n / (n + 1) at least, whatever the other probes say.

Clean stems are those of the calibration; neither the kinds of planted faults nor any truth is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.decision.aggregate import coded, text_column
from raysep.decision.roles import CALIBRATION
from raysep.outcome import Outcome

FOREIGN = 0.99  # quantile of the clean stems' margins for a label that is not theirs: below a hundred stems the largest
HOME = 0.1  # quantile of the clean stems' margins for their own label
FEWEST = 3  # clean stems of a label that such a quantile is taken of: as many tracks as a calibration has at least
FEWEST_PAIRS = 18  # of clean stems that the bound of an exchange is taken of: three tracks of four stems
FEWEST_APART = 2  # sources that never saw the corpus
EXCHANGED, ALIKE = "exchanged with the track's {}", "sounds like {}"  # in the reason of a decision


@dataclass(frozen=True)
class Evidence:
    """The columns of the stems' table that say what a stem is like: lists of a number for each of ``labels``."""

    labels: tuple[str, ...]
    # Column → who says so, in words; its unit; whether it never saw the corpus.
    sources: Mapping[str, tuple[str, str, bool]]

    @property
    def apart(self) -> tuple[str, ...]:
        return tuple(name for name, (_, _, apart) in self.sources.items() if apart)

    @property
    def enough(self) -> bool:
        return len(self.apart) >= FEWEST_APART and len(self.labels) > 1


@dataclass(frozen=True)
class Found:
    label: str
    words: str  # for the reason
    sure: float = 0.0  # P(corrupt) that this alone is worth


def other_labels(stems: pa.Table, evidence: Evidence) -> dict[str, Found]:
    """stem_id → the other label that a scored stem of ``stems`` belongs to, of those that belong to one.

    ``stems`` has ``stem_id, track, stem, outcome, role`` and the columns of the evidence. What is found of a stem depends on
    its track and on the calibration stems alone.
    """
    if not evidence.enough or "role" not in stems.column_names:
        return {}
    place = evidence.labels
    stem_ids, tracks = stems["stem_id"], text_column(stems, "track")
    own = places_of(stems, evidence)
    scored = (text_column(stems, "outcome") == Outcome.SCORED) & (own >= 0)
    clean = scored & (text_column(stems, "role") == CALIBRATION)
    margin = {name: margins(likeness(stems, name, len(place))) for name in evidence.sources}
    first = np.stack([np.where(np.isnan(each), -np.inf, each).argmax(axis=1) for each in margin.values()])
    known = np.stack([np.isfinite(each).all(axis=1) for each in margin.values()]).all(axis=0)
    agreed = scored & known & (first == first[0]).all(axis=0) & (first[0] != own)
    bound = {name: bounds(margin[name][clean], own[clean]) for name in evidence.apart}

    def exceeds(row: int, alike: bool) -> bool:
        label = int(first[0, row])
        return all(each.passed(margin[name][row, label], label, alike) for name, each in bound.items())

    away = {row: int(first[0, row]) for row in np.flatnonzero(agreed).tolist() if exceeds(row, False)}
    like = {name: likeness(stems, name, len(place)) for name in evidence.apart}
    told = _exchanged(evidence, tracks, own, like, scored, clean, away)
    for row, label in away.items():
        if row not in told and exceeds(row, True):
            words = _words(evidence, {name: each[row, label] for name, each in margin.items()}, evidence.labels[label])
            told[row] = Found(evidence.labels[label], words)
    return {stem_ids[row].as_py(): each for row, each in told.items()}


def places_of(stems: pa.Table, evidence: Evidence) -> np.ndarray:
    """``(row,)``: the place of each stem's label among those of the evidence; -1 for another."""
    place = {label: k for k, label in enumerate(evidence.labels)}
    names, label = coded(text_column(stems, "stem"))
    return np.array([place.get(name, -1) for name in names], dtype=int)[label]


def _exchanged(
    evidence: Evidence,
    tracks: np.ndarray,
    own: np.ndarray,
    like: Mapping[str, np.ndarray],
    scored: np.ndarray,
    clean: np.ndarray,
    away: Mapping[int, int],
) -> dict[int, Found]:
    """Row → the label of the stem that it was exchanged with, by both together; the surest pair of a stem counts.

    Not where a stem lies further towards a third label than clean stems are drawn (``away``, row → label).
    """
    known = scored & np.stack([np.isfinite(each).all(axis=1) for each in like.values()]).all(axis=0)
    usual, judged = (pairs_of(tracks, own, known & rows) for rows in (clean, ~clean))
    if len(usual) < FEWEST_PAIRS:
        return {}
    told: dict[int, Found] = {}
    sum_of = {name: (exchange(each, own, usual), exchange(each, own, judged)) for name, each in like.items()}
    exceeds = [
        found > abs(float(np.quantile(of_clean, FOREIGN, method="higher"))) for of_clean, found in sum_of.values()
    ]
    sure = np.sum([found / of_clean.std() for of_clean, found in sum_of.values()], axis=0)
    for number in sorted(np.flatnonzero(np.all(exceeds, axis=0)).tolist(), key=lambda k: (-sure[k], k)):
        pair = judged[number].tolist()
        if any(row in told or away.get(row, own[mate]) != own[mate] for row, mate in (pair, pair[::-1])):
            continue
        by = ", ".join(
            f"{found[number]:.3g} {evidence.sources[name][1]} by {evidence.sources[name][0]}"
            for name, (_, found) in sum_of.items()
        )
        for row, other in (pair, pair[::-1]):
            label = evidence.labels[own[other]]
            words = f"{EXCHANGED.format(label)} (together {by})"
            told[row] = Found(label, words, 1 - 1 / (len(usual) + 1))
    return told


def pairs_of(tracks: Sequence[str] | np.ndarray, own: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The pairs of the given rows that are of one track and of two labels, ``(pair, 2)``; by the track that is met first."""
    where = np.flatnonzero(rows)
    _, track = coded(np.asarray(tracks, dtype=object)[where])
    track = np.unique(track, return_index=True)[1][track]  # the place where it is met first
    order = np.argsort(track, kind="stable")
    found = [np.zeros((0, 3), dtype=np.int64)]
    for ahead in range(1, int(np.bincount(track).max(initial=0))):  # as many as a track has stems
        first, second = order[:-ahead], order[ahead:]
        both = (track[first] == track[second]) & (own[where[first]] != own[where[second]])
        found.append(np.column_stack([track[first], where[first], where[second]])[both])
    pairs = np.concatenate(found)
    return pairs[np.lexsort(pairs.T[::-1])][:, 1:]


def exchange(like: np.ndarray, own: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """``(pair,)``: by how much more the two stems are like each other's label than like their own, ``like (row, label)``."""
    first, second = pairs.T
    a, b = own[first], own[second]
    return like[first, b] - like[first, a] + like[second, a] - like[second, b]


def found_of(row: Mapping[str, Any]) -> str:
    """What was found of a decision's row in short, "exchanged with the track's drums"; "" where it belongs to its label."""
    told = [form.format(row["label"]) for form in (EXCHANGED, ALIKE)] if row.get("label") else []
    return next((words for words in told if f"; {words} (" in row["reason"]), "")


def why_none(stems: pa.Table, evidence: Evidence) -> str:
    """What keeps any stem from being taken for another label, or for some; else that none is like one beyond doubt."""
    if not evidence.enough or "role" not in stems.column_names:
        return (
            "the scores do not say what a stem is like by two sources that never saw the corpus (a run of an earlier raysep, or a "
            "reference too small for distances); score again with more reference"
        )
    rows = (text_column(stems, "role") == CALIBRATION) & (text_column(stems, "outcome") == Outcome.SCORED)
    clean = text_column(stems, "stem")[rows].tolist()
    if few := [f"{clean.count(label)} of {label}" for label in evidence.labels if clean.count(label) < FEWEST]:
        return (
            f"too few clean stems to compare with ({', '.join(few)}; {FEWEST} are needed): give more reference tracks"
        )
    return "none of the removed ones is like one beyond doubt"


def _words(evidence: Evidence, margin: Mapping[str, float], label: str) -> str:
    by = ", ".join(f"{margin[name]:.3g} {unit} by {about}" for name, (about, unit, _) in evidence.sources.items())
    return f"{ALIKE.format(label)} ({by})"


def margins(like: np.ndarray) -> np.ndarray:
    """``(row, label)``: by how much each label exceeds the largest of the others; NaN in a row with a gap."""
    others = np.stack([np.delete(like, k, axis=1).max(axis=1) for k in range(like.shape[1])], axis=1)
    return like - others


@dataclass(frozen=True)
class Bounds:
    """What clean stems show in one source."""

    drawn: float  # margin for a label that is not theirs, at most; at least 0
    home: np.ndarray  # (label,) margin for their own, at least; infinite with too few stems of it

    def passed(self, margin: float, label: int, alike: bool) -> bool:
        """Whether a margin for the label is no clean stem's of another; ``alike`` = and that of a clean stem of the label."""
        return bool(self.drawn < margin and np.isfinite(self.home[label]) and (margin >= self.home[label] or not alike))


def bounds(margin: np.ndarray, own: np.ndarray) -> Bounds:
    """From the margins ``(row, label)`` of clean stems, of which ``own (row,)`` is the label's place."""
    known = np.isfinite(margin).all(axis=1)
    margin, own = margin[known], own[known]
    home = np.full(margin.shape[1], np.inf)
    if not len(own):
        return Bounds(np.inf, home)
    foreign = margin.copy()
    foreign[np.arange(len(own)), own] = -np.inf
    for label in range(len(home)):
        values = margin[own == label, label]
        if len(values) >= FEWEST:
            home[label] = np.quantile(values, HOME, method="lower")
    return Bounds(max(0.0, float(np.quantile(foreign.max(axis=1), FOREIGN, method="higher"))), home)


def likeness(stems: pa.Table, name: str, labels: int) -> np.ndarray:
    """A column of lists as ``(row, label)``, NaN where there is none."""
    lists = stems[name].combine_chunks()
    found = np.full((len(lists), labels), np.nan)
    numbers = lists.drop_null().flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
    found[lists.is_valid().to_numpy(zero_copy_only=False)] = numbers.reshape(-1, labels)
    return found
