"""What speaks loudest against each stem: how far its scores lie below those of its label, probe by probe.

    z = (median - score) / spread      over the trusted stems of its label and those that the decision keeps

The fusion weighs many probes together and keeps no account of each; what is shown is what stands out most. A share of the
trusted stems alone would tie wherever a score is beyond all of them, and the spread of a whole corpus hides what is wrong
with many of its stems.

Of each probe and label a few numbers are kept, of the stems themselves nothing but those that were asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysep.corpus.lookup import row_of
from raysep.decision.aggregate import WORST, numbers, text_column
from raysep.decision.roles import CALIBRATION, CORPUS
from raysep.decision.suspicion import numbered_peers
from raysep.outcome import Outcome
from raysep.report.evidence.phrases import phrase_of, sentence
from raysep.report.evidence.usual import Usual, z_of
from raysep.report.numbers import BEYOND

WORTH_SAYING = 1.0  # spreads below the middle; what is nearer says nothing against a stem
FEW = 1 << 12  # stems of which the scores of all are read at once
FACTS = ("signal-dropout", "signal-clipping")  # told to the sample: gaps and flat tops


@dataclass(frozen=True)
class Loud:
    """One thing that speaks against a stem."""

    probe: str  # a column of ``stems.parquet``
    z: float
    words: str


@dataclass(frozen=True)
class Standing:
    """The scored stems' scores beside those of the trusted ones; ``z`` is higher = more suspect. A row is one of them."""

    stems: pa.Table  # or what has its columns
    scored: np.ndarray  # which rows of ``stems`` they are ``(row of stems,)``
    stem_ids: pa.ChunkedArray
    labels: np.ndarray
    peers: np.ndarray  # of each row: the number of its label and fold
    trusted: np.ndarray  # which rows are trusted
    probes: tuple[str, ...]
    usual: tuple[Usual, ...]  # of each probe
    trusted_values: np.ndarray  # ``(trusted row, probe)``, in the order of the rows
    _values: dict[int, np.ndarray] = field(default_factory=dict)
    _in_order: dict[tuple[int, int], list[float]] = field(default_factory=dict)

    def prepare(self, stem_ids: Iterable[str]) -> None:
        """Read what will be asked of these stems, all at once: a column is read whole, for one or for many."""
        asked = range(len(self.peers)) if len(self.peers) <= FEW else map(self.row_of.get, stem_ids)
        rows = [row for row in asked if row is not None and row not in self._values]
        found = np.empty((len(rows), len(self.probes)))
        for k, name in enumerate(self.probes if rows else ()):
            found[:, k] = numbers(self.stems, name)[self.scored][rows]
        self._values.update(zip(rows, found, strict=True))

    def values(self, row: int) -> np.ndarray:
        """Its scores ``(probe,)``."""
        if row not in self._values:
            self.prepare([self.stem_ids[row].as_py()])
        return self._values[row]

    def z(self, row: int) -> np.ndarray:
        """``(probe,)``; NaN where there is no score."""
        return z_of(self.values(row), *(each[int(self.peers[row])] for each in self._maps))

    @cached_property
    def _facts(self) -> list[tuple[int, str]]:
        return [(k, name) for k, name in enumerate(self.probes) if name in FACTS]

    @cached_property
    def _maps(self) -> list[np.ndarray]:
        """What ``z_of`` takes, of all probes ``(peer, probe)``."""
        return [np.stack(each, axis=1) for each in zip(*(usual.map for usual in self.usual), strict=True)] or [
            np.zeros((int(self.peers.max(initial=0)) + 1, 0))
        ] * 4

    def loudest(self, stem_id: str, count: int = 3, least: float = WORTH_SAYING) -> list[Loud]:
        """At most ``count`` things, one of each family of probes; none for a stem that is not scored.

        The loudest first, but before them what anybody can check in the samples and no trusted stem has (``FACTS``).
        """
        row = self.row_of.get(stem_id)
        if row is None:
            return []
        found: dict[str, Loud] = {}
        z = self.z(row)
        facts = [k for k, name in self._facts if self.beyond_trusted(stem_id, name)]
        order = np.argsort(-np.where(np.isnan(z), -np.inf, z), kind="stable").tolist()
        for k in sorted(order, key=lambda k: k not in facts) if facts else order:
            if len(found) == count:
                break
            if not z[k] >= least:
                continue
            if (family := phrase_of(self.probes[k]).family) not in found:
                found[family] = Loud(self.probes[k], float(z[k]), self.words(row, k))
        return list(found.values())

    def loudest_of_all(self) -> np.ndarray:
        """The number of the probe that speaks loudest of each row ``(row,)``, as ``loudest`` has it; -1 where none does.

        Of the stems that are not trusted; a column after another, so that no scores are held.
        """
        loudest, fact = (np.full(len(self.peers), -1) for _ in range(2))
        most, most_fact = (np.full(len(self.peers), -np.inf) for _ in range(2))
        for k, (name, values, z) in enumerate(self._columns()):
            louder = z > most
            loudest[louder], most[louder] = k, z[louder]
            if name in FACTS:
                louder = (z > most_fact) & (values < self._least_trusted[self.peers, k])
                fact[louder], most_fact[louder] = k, z[louder]
        return np.where(fact >= 0, fact, loudest)

    def _columns(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Of each probe its name, the scores and their z ``(row,)``."""
        for name, usual in zip(self.probes, self.usual, strict=True):
            values = numbers(self.stems, name)[self.scored]
            yield name, values, usual.z(values, self.peers)

    def words(self, row: int, probe: int) -> str:
        others = (
            ascending(self._others(row)[:, probe])
            if self.trusted[row]
            else self._ascending(int(self.peers[row]), probe)
        )
        return sentence(self.probes[probe], self.values(row)[probe], self.labels[row], others)

    def _ascending(self, peer: int, probe: int) -> list[float]:
        """The known scores of the trusted stems; of a hundred thousand stems that are asked about few are others."""
        if (peer, probe) not in self._in_order:
            trusted = self._trusted_of.get(peer, self.trusted_values[:0])
            self._in_order[peer, probe] = ascending(trusted[:, probe])
        return self._in_order[peer, probe]

    def beyond_trusted(self, stem_id: str, probe: str) -> bool:
        """Whether the stem scores lower than every trusted one of its label; False where there are none."""
        row = self.row_of.get(stem_id)
        if row is None or probe not in self.probes:
            return False
        k = self.probes.index(probe)
        if not self.trusted[row]:
            return bool(self.values(row)[k] < self._least_trusted[self.peers[row], k])
        others = self._others(row)[:, k]
        others = others[np.isfinite(others)]
        return bool(len(others)) and bool(self.values(row)[k] < others.min())

    def trusted_rows(self, row: int) -> np.ndarray:
        """The trusted stems of the row's label, judged with the same things, without the row itself."""
        rows = np.flatnonzero(self.trusted)
        return rows[(self.peers[rows] == self.peers[row]) & (rows != row)]

    def _others(self, row: int) -> np.ndarray:
        """Their scores ``(trusted row, probe)``."""
        values = self._trusted_of.get(int(self.peers[row]), self.trusted_values[:0])
        return self.trusted_values[self._trusted_places(row)] if self.trusted[row] else values

    def _trusted_places(self, row: int) -> np.ndarray:
        return np.searchsorted(np.flatnonzero(self.trusted), self.trusted_rows(row))

    @cached_property
    def _trusted_of(self) -> dict[int, np.ndarray]:
        peers = self.peers[self.trusted]
        return {int(peer): self.trusted_values[peers == peer] for peer in np.unique(peers)}

    @cached_property
    def _least_trusted(self) -> np.ndarray:
        """The lowest score of a trusted stem ``(peer, probe)``; -inf where there is none."""
        least = np.full((int(self.peers.max(initial=0)) + 1, len(self.probes)), -np.inf)
        for peer, values in self._trusted_of.items():
            known = np.where(np.isfinite(values), values, np.inf).min(axis=0)
            least[peer] = np.where(np.isfinite(known), known, -np.inf)
        return least

    def z_of(self, row: int, columns: Sequence[int], values: np.ndarray) -> np.ndarray:
        """What z other scores of the row's label have, ``(n, column)``: by the map that its stems went through."""
        peer = int(self.peers[row])
        return np.stack(
            [self.usual[k].z_between(peer, value) for k, value in zip(columns, values.T, strict=True)], axis=1
        )

    @cached_property
    def row_of(self) -> Mapping[str, int]:
        return row_of(self.stem_ids)


def ascending(scores: np.ndarray) -> list[float]:
    """Those of ``(n,)`` that are usable numbers."""
    found: list[float] = np.sort(scores[np.abs(scores) < BEYOND]).tolist()
    return found


def standing(
    stems: pa.Table,
    oriented: Sequence[str],
    of_segments: Collection[str] = (),
    removed: Collection[str] | pa.Array = (),
) -> Standing:
    """Of the scored corpus and calibration rows of ``stems`` (as ``stems.parquet``).

    ``oriented``: probes whose score is higher = cleaner. ``of_segments``: those that are taken of each segment, of which the
    lowest one counts too; of a probe of the whole stem it is the same number again. ``removed``: the stems that give neither
    centre nor spread.
    """
    role = text_column(stems, "role", CORPUS)
    scored = (text_column(stems, "outcome") == Outcome.SCORED) & np.isin(role, (CORPUS, CALIBRATION))
    names = [name for name in oriented if name in stems.column_names]
    names += [name + WORST for name in names if name in of_segments and name + WORST in stems.column_names]
    stem_ids = stems["stem_id"].filter(pa.array(scored))
    count, peers = numbered_peers(stems)
    peers = peers[scored]
    removed = removed if isinstance(removed, pa.Array) else pa.array(list(removed), pa.string())
    gone = pc.is_in(stem_ids, value_set=removed).to_numpy().astype(bool)
    trusted = role[scored] == CALIBRATION
    usual, values = [], np.empty((int(trusted.sum()), len(names)))
    for k, name in enumerate(names):
        column = numbers(stems, name)[scored]
        usual.append(Usual.of(column, peers, ~gone, count))
        values[:, k] = column[trusted]
    labels = text_column(stems, "stem")[scored]
    return Standing(stems, scored, stem_ids, labels, peers, trusted, tuple(names), tuple(usual), values)
