"""Where did a silent stem's sound go? Into a stem of its track, if one sounds like it.

Where a label is silent far more often in the corpus than in the reference, most of its silent stems are wrong: their sound was
put into another stem of the track, which is then wrong too. Of which one, the sources that never saw the corpus say together:

    excess of a stem = sum over sources of (like the silent label - like its own), in standard deviations of clean stems of its label
    P(the sound is in it) = P(the silent stem is wrong) · exp(excess) / (1 + sum over the track's stems of exp(excess))

The 1 stands for a sound that went nowhere, as when a file was lost. Stems that were exchanged are explained already and are no
candidates. Clean stems are those of the calibration; no truth is read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from raysep.decision.aggregate import rows_named, text_column
from raysep.decision.other_label import Evidence, Found, likeness, places_of
from raysep.decision.roles import CALIBRATION, CORPUS
from raysep.outcome import Outcome

FEWEST = 3  # clean stems of a label that a spread is taken of
LARGEST = 8.0  # of an excess, either way: few clean stems give no more certainty than that
LEAST_SPREAD = 0.25  # of the spread of all labels: a handful of stems may agree by chance


def holds_a_silent_one(
    tracks: np.ndarray,
    own: np.ndarray,
    like: Mapping[str, np.ndarray],
    clean: np.ndarray,
    candidates: np.ndarray,
    wrong: np.ndarray,
    explained: Collection[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """P ``(row,)`` that a stem holds the sound of a silent one of its track, 0 where nothing says so; and of which row, or -1.

    Args:
        tracks: of each row.
        own: number of each row's label.
        like: source → ``(row, label)``, how much the stem is like each label; NaN where not known.
        clean: bool ``(row,)``, the calibration stems that were scored.
        candidates: bool ``(row,)``, the corpus stems that were scored.
        wrong: ``(row,)``, P(corrupt) of the silent corpus stems; NaN for all others.
        explained: rows that are no candidates.
    """
    found, whose = np.zeros(len(own)), np.full(len(own), -1)
    silent = np.flatnonzero(np.isfinite(wrong))
    if not len(silent) or not like:
        return found, whose
    members: dict[str, list[int]] = {}
    beside = set(tracks[silent].tolist())
    for row in np.flatnonzero(candidates).tolist():
        if tracks[row] in beside and row not in explained:
            members.setdefault(tracks[row], []).append(row)
    excess = {int(label): _excess(own, like, clean, int(label)) for label in np.unique(own[silent])}
    for row in silent.tolist():
        rows = np.array([k for k in members.get(tracks[row], ()) if own[k] != own[row]], dtype=int)
        rows = rows[np.isfinite(excess[own[row]][rows])]
        odds = np.exp(excess[own[row]][rows])
        here = wrong[row] * odds / (1 + odds.sum())
        whose[rows[here > found[rows]]] = row
        found[rows] = 1 - (1 - found[rows]) * (1 - here)
    return found, whose


def beside_silent_ones(
    stems: pa.Table, evidence: Evidence, exchanged: Mapping[str, Found], wrong: np.ndarray
) -> dict[str, tuple[float, str]]:
    """stem_id → (P that it holds the sound of a silent stem of its track, words for the reason).

    ``stems`` as for ``other_label.other_labels``, of which ``exchanged`` is the answer; ``wrong`` as below.
    """
    if not evidence.enough or "role" not in stems.column_names:
        return {}
    own = places_of(stems, evidence)
    tracks, labels, role, outcome = (text_column(stems, name) for name in ("track", "stem", "role", "outcome"))
    stem_ids = stems["stem_id"]  # once: a table that lies on the disk reads a column each time that it is asked for
    scored = (outcome == Outcome.SCORED) & (own >= 0)
    like = {name: likeness(stems, name, len(evidence.labels)) for name in evidence.apart}
    wrong = np.where(own >= 0, wrong, np.nan)
    sure = [stem_id for stem_id, each in exchanged.items() if each.sure]
    found, whose = holds_a_silent_one(
        tracks,
        own,
        like,
        scored & (role == CALIBRATION),
        scored & (role == CORPUS),
        wrong,
        set(rows_named(stems, sure).tolist()),
    )
    return {
        stem_ids[row].as_py(): (
            float(found[row]),
            f"the track's {labels[whose[row]]} is silent and may be in it (P {found[row]:.2f})",
        )
        for row in np.flatnonzero(found).tolist()
    }


def _excess(own: np.ndarray, like: Mapping[str, np.ndarray], clean: np.ndarray, label: int) -> np.ndarray:
    """How much more like ``label`` each stem is than clean ones of its own label ``(row,)``; NaN where not known."""
    total = np.zeros(len(own))
    for values in like.values():
        gained = values[:, label] - values[np.arange(len(own)), own]
        score = np.full(len(own), np.nan)
        spreads = {k: _spread(gained[clean & (own == k)]) for k in np.unique(own)}
        usual = np.nanmedian(list(spreads.values())) if np.isfinite(list(spreads.values())).any() else np.nan
        for k, spread in spreads.items():
            if np.isfinite(spread):
                rows = own == k
                score[rows] = (gained[rows] - np.nanmedian(gained[rows & clean])) / max(spread, LEAST_SPREAD * usual)
        total += score
    return np.clip(total, -LARGEST, LARGEST)


def _spread(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.std()) if len(values) >= FEWEST and np.ptp(values) > 0 else float("nan")
