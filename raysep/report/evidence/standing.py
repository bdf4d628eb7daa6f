"""What speaks loudest against each stem: how far its scores lie below those of its label, probe by probe.

    z = (median - score) / spread      over the trusted stems of its label and those that the decision keeps

The fusion weighs many probes together and keeps no account of each; what is shown is what stands out most. A share of the
trusted stems alone would tie wherever a score is beyond all of them, and the spread of a whole corpus hides what is wrong
with many of its stems.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from raysep.decision.aggregate import WORST, numbers, text_column
from raysep.decision.features import peers, standardise
from raysep.decision.roles import CALIBRATION, CORPUS
from raysep.outcome import Outcome
from raysep.report.evidence.phrases import phrase_of, sentence

WORTH_SAYING = 1.0  # spreads below the middle; what is nearer says nothing against a stem
FACTS = ("signal-dropout", "signal-clipping")  # told to the sample: gaps and flat tops
NEWS = 8.0  # spreads that the typical difference counts as where all usual stems have one and the same number


@dataclass(frozen=True)
class Loud:
    """One thing that speaks against a stem."""

    probe: str  # a column of ``stems.parquet``
    z: float
    words: str


@dataclass(frozen=True)
class Standing:
    """The scored stems' scores beside those of the trusted ones; ``z`` is ``(row, probe)``, higher = more suspect."""

    stem_ids: tuple[str, ...]
    labels: tuple[str, ...]
    probes: tuple[str, ...]
    z: np.ndarray
    values: np.ndarray
    peers: np.ndarray  # of each row: label and fold
    trusted: np.ndarray  # which rows are trusted

    def loudest(self, stem_id: str, count: int = 3, least: float = WORTH_SAYING) -> list[Loud]:
        """At most ``count`` things, one of each family of probes; none for a stem that is not scored.

        The loudest first, but before them what anybody can check in the samples and no trusted stem has (``FACTS``).
        """
        row = self.row_of.get(stem_id)
        if row is None:
            return []
        found: dict[str, Loud] = {}
        facts = [name for name in FACTS if self.beyond_trusted(stem_id, name)]
        order = np.argsort(-np.nan_to_num(self.z[row], nan=-np.inf), kind="stable").tolist()
        for k in sorted(order, key=lambda k: self.probes[k] not in facts):
            if len(found) == count:
                break
            if not self.z[row, k] >= least:
                continue
            if (family := phrase_of(self.probes[k]).family) not in found:
                found[family] = Loud(self.probes[k], float(self.z[row, k]), self.words(row, k))
        return list(found.values())

    def words(self, row: int, probe: int) -> str:
        others = self.values[self.trusted_rows(row), probe].tolist()
        return sentence(self.probes[probe], self.values[row, probe], self.labels[row], others)

    def beyond_trusted(self, stem_id: str, probe: str) -> bool:
        """Whether the stem scores lower than every trusted one of its label; False where there are none."""
        row = self.row_of.get(stem_id)
        if row is None or probe not in self.probes:
            return False
        k = self.probes.index(probe)
        others = self.values[self.trusted_rows(row), k]
        others = others[np.isfinite(others)]
        return bool(len(others)) and bool(self.values[row, k] < others.min())

    def trusted_rows(self, row: int) -> np.ndarray:
        """The trusted stems of the row's label, judged with the same things, without the row itself."""
        rows = self._trusted_of.get(self.peers[row], np.zeros(0, dtype=int))
        return rows[rows != row] if self.trusted[row] else rows

    @cached_property
    def _trusted_of(self) -> dict[str, np.ndarray]:
        found: dict[str, list[int]] = {}
        for row in np.flatnonzero(self.trusted).tolist():
            found.setdefault(self.peers[row], []).append(row)
        return {peer: np.array(rows) for peer, rows in found.items()}

    def z_of(self, row: int, columns: Sequence[int], values: np.ndarray) -> np.ndarray:
        """What z other scores of the row's label have, ``(n, column)``: by the map that its stems went through."""
        mine = self.peers == self.peers[row]
        known, z = self.values[mine][:, columns], self.z[mine][:, columns]
        found = np.zeros_like(values)
        for k in range(len(columns)):
            usable = np.flatnonzero(np.isfinite(known[:, k]) & np.isfinite(z[:, k]))
            if len(usable) and (wide := np.ptp(known[usable, k])) > 0:
                low, high = usable[known[usable, k].argmin()], usable[known[usable, k].argmax()]
                slope = (z[high, k] - z[low, k]) / wide
                found[:, k] = z[low, k] + slope * (values[:, k] - known[low, k])
        return found

    @cached_property
    def row_of(self) -> Mapping[str, int]:
        return {stem_id: row for row, stem_id in enumerate(self.stem_ids)}


def standing(
    stems: pa.Table, oriented: Sequence[str], of_segments: Collection[str] = (), removed: Collection[str] = ()
) -> Standing:
    """Of the scored corpus and calibration rows of ``stems`` (as ``stems.parquet``).

    ``oriented``: probes whose score is higher = cleaner. ``of_segments``: those that are taken of each segment, of which the
    lowest one counts too; of a probe of the whole stem it is the same number again. ``removed``: the stems that give neither
    centre nor spread.
    """
    role = text_column(stems, "role", CORPUS)
    scored = text_column(stems, "outcome") == Outcome.SCORED
    rows = stems.filter(pa.array(scored & np.isin(role, (CORPUS, CALIBRATION))))
    names = [name for name in oriented if name in stems.column_names]
    names += [name + WORST for name in names if name in of_segments and name + WORST in stems.column_names]
    values = np.stack([numbers(rows, name) for name in names], axis=1) if names else np.zeros((len(rows), 0))
    same = peers(rows)
    usual = ~np.isin(np.array(rows["stem_id"].to_pylist(), dtype=object), list(removed))
    z = -standardise(values, same, usual, limit=np.inf)
    for peer in np.unique(same):
        mine = same == peer
        z[mine] = np.where(constant(values[mine & usual]), news(values[mine], usual[mine]), z[mine])
    return Standing(
        tuple(rows["stem_id"].to_pylist()),
        tuple(rows["stem"].to_pylist()),
        tuple(names),
        np.where(np.isfinite(values), z, np.nan),
        values,
        same,
        text_column(rows, "role", CORPUS) == CALIBRATION,
    )


def constant(values: np.ndarray) -> np.ndarray:
    """Which columns ``(probe,)`` of ``(row, probe)`` hold one number only, as a share of gaps does of stems without any."""
    known = np.where(np.isfinite(values), values, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a column without a number, which is no constant
        return np.nanmax(known, axis=0, initial=-np.inf) == np.nanmin(known, axis=0, initial=np.inf)


def news(values: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """z of rows ``(row, probe)`` whose ``usual`` ones are all alike: how far below these, in the typical such distance."""
    centre = np.array(
        [column[np.isfinite(column)][0] if np.isfinite(column).any() else np.nan for column in values[usual].T]
    )
    below = centre - values
    typical = [np.median(each[each > 0]) if (each > 0).any() else np.inf for each in np.nan_to_num(below).T]
    return NEWS * below / np.array(typical)
