"""The places of a run's stems, from its scores: no audio is read. A table that is made once of the scores that there are.

scores/part-*.parquet + stems.parquet ─ heard ─ places ─ places.parquet: stem_id, spans, words
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysep.corpus import storage
from raysep.decision.aggregate import numbers, text_column
from raysep.decision.features import centre_and_spread, peers, standardise
from raysep.decision.places import Bounds, Heard, bounds, found_in
from raysep.decision.roles import CALIBRATION, CORPUS
from raysep.outcome import Outcome
from raysep.probes.seconds import BY_SECOND
from raysep.probes.stored import columns_of
from raysep.rundir import FIRST_LOOK, Run, score_parts

TABLE = "places.parquet"
SCORES = b"raysep.scores"  # digest of the stems' table that it was made of
OF_SPANS = pa.list_(pa.struct([("start", pa.float64()), ("stop", pa.float64())]))
SCHEMA = pa.schema([("stem_id", pa.string()), ("spans", OF_SPANS), ("words", pa.string())])
FEWEST = 8  # trusted segments of a label and fold that a centre and a spread are taken of
LIMIT = 4.0  # spreads that one probe may say at most
OF_STEM = "stem"
PLACED = frozenset({"signal-dropout", "signal-clipping"})  # of the whole stem, what its seconds say


def places_of(run: Run) -> pa.Table:
    """``SCHEMA``: a row for each scored stem of the corpus. Read where it is there already, else made and left there."""
    scores = storage.digest(run.read_bytes("stems.parquet")).encode()
    if run.has(TABLE):
        table = run.read_table(TABLE)
        if (table.schema.metadata or {}).get(SCORES) == scores:
            return table
    table = made(run).replace_schema_metadata({SCORES: scores})
    run.write_table(table, TABLE)
    return table


def made(run: Run) -> pa.Table:
    """Likewise, made anew. The trusted stems are heard first, then the others, a part of the scores after the other."""
    stems = Stems(run.read_table("stems.parquet"))
    trusted: dict[str, list[Heard]] = {}
    scale = _scale(run, stems)
    for stem_id, heard in _heard(run, stems, stems.trusted, scale):
        trusted.setdefault(stems.label[stems.row_of[stem_id]], []).append(heard)
    known: dict[str, Bounds | None] = {label: bounds(each) for label, each in trusted.items()}
    rows: list[dict[str, Any]] = []
    for stem_id, heard in _heard(run, stems, stems.judged, scale):
        found = found_in(heard, known.get(stems.label[stems.row_of[stem_id]]))
        spans = [{"start": start, "stop": stop} for start, stop in found.spans]
        rows.append({"stem_id": stem_id, "spans": spans, "words": found.words})
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["stem_id"]), schema=SCHEMA)


@dataclass(frozen=True)
class Stems:
    """The stems' table, and what is asked of its rows."""

    table: pa.Table

    @cached_property
    def row_of(self) -> dict[str, int]:
        return {stem_id: row for row, stem_id in enumerate(self.table["stem_id"].to_pylist())}

    @cached_property
    def label(self) -> np.ndarray:
        return text_column(self.table, "stem")

    @cached_property
    def peers(self) -> np.ndarray:
        return peers(self.table)

    @cached_property
    def trusted(self) -> set[str]:
        return self._of(CALIBRATION)

    @cached_property
    def judged(self) -> set[str]:
        return self._of(CORPUS)

    def _of(self, role: str) -> set[str]:
        rows = (text_column(self.table, "role", CORPUS) == role) & self._scored
        return set(self.table["stem_id"].filter(pa.array(rows)).to_pylist())

    @cached_property
    def _scored(self) -> np.ndarray:
        return text_column(self.table, "outcome") == Outcome.SCORED

    @cached_property
    def probes(self) -> list[str]:
        """Those that are taken of each segment and have a direction."""
        return self._oriented(of_stem=False)

    @cached_property
    def whole(self) -> np.ndarray:
        """``(row,)``: the mean of what is measured of the whole stem, higher = cleaner; NaN where nothing is."""
        names = [name for name in self._oriented(of_stem=True) if name not in PLACED]
        if not names:
            return np.full(len(self.table), np.nan)
        values = np.stack([numbers(self.table, name) for name in names], axis=1)
        role = text_column(self.table, "role", CORPUS)
        usual = np.isin(role, (CORPUS, CALIBRATION)) & self._scored
        return np.asarray(standardise(values, self.peers, usual).mean(axis=1))

    def _oriented(self, of_stem: bool) -> list[str]:
        columns = columns_of(self.table).items()
        return [name for name, each in columns if each.oriented and (each.context == OF_STEM) == of_stem]


Scale = dict[str, tuple[np.ndarray, np.ndarray]]  # label and fold → centre and spread of each probe


def _scale(run: Run, stems: Stems) -> Scale:
    """Of the trusted stems' segments; a label and fold of too few has none."""
    values: dict[str, list[np.ndarray]] = {}
    for part, _ in _parts(run):
        rows = _rows(part, stems.trusted)
        found = _values(rows, stems.probes)
        for peer, value in zip(stems.peers[_owners(rows, stems)].tolist(), found, strict=True):
            values.setdefault(peer, []).append(value)
    return {peer: centre_and_spread(np.array(each)) for peer, each in values.items() if len(each) >= FEWEST}


def _heard(run: Run, stems: Stems, wanted: set[str], scale: Scale) -> Iterator[tuple[str, Heard]]:
    """What is known of the places of the wanted stems, part by part."""
    nothing = np.zeros((0, len(BY_SECOND)))
    for part, every in _parts(run):
        facts, rows = _facts(every, wanted), _rows(part, wanted)
        owner, values = _owners(rows, stems), _values(rows, stems.probes)
        start, length = numbers(rows, "start"), numbers(rows, "seconds")
        for row in np.unique(owner).tolist():
            stem_id = stems.table["stem_id"][row].as_py()
            usual = _usual(values[owner == row], scale.get(stems.peers[row]))
            known = np.flatnonzero(owner == row)[np.isfinite(usual)]
            usual = usual[np.isfinite(usual)]
            found = Heard(facts.get(stem_id, nothing), start[known], length[known], usual, float(stems.whole[row]))
            yield stem_id, found


def _parts(run: Run) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The scores, and beside each part the one that has a row for every segment: after a first look that is the look's."""
    if not storage.list_files(run.path("scores"), recursive=False):
        return iter(())
    if storage.list_files(run.path(FIRST_LOOK), recursive=False):
        return zip(score_parts(run), score_parts(run, FIRST_LOOK), strict=True)
    return ((part, part) for part in score_parts(run))


def _rows(part: pa.Table, wanted: set[str]) -> pa.Table:
    return part.filter(pc.and_(_of(part, wanted), pc.equal(part["outcome"], Outcome.SCORED)))


def _of(part: pa.Table, wanted: set[str]) -> pa.Array:
    return pc.is_in(part["stem_id"], value_set=pa.array(sorted(wanted), pa.string()))


def _owners(rows: pa.Table, stems: Stems) -> np.ndarray:
    return np.array([stems.row_of[stem_id] for stem_id in rows["stem_id"].to_pylist()], dtype=np.int64)


def _values(rows: pa.Table, probes: list[str]) -> np.ndarray:
    there = [numbers(rows, name) if name in rows.column_names else np.full(len(rows), np.nan) for name in probes]
    return np.stack(there, axis=1) if there else np.zeros((len(rows), 0))


def _usual(values: np.ndarray, scale: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """``(segment,)`` of ``(segment, probe)``: the mean over the probes that have a value; NaN where none has."""
    if scale is None:
        return np.full(len(values), np.nan)
    z = np.clip((values - scale[0]) / scale[1], -LIMIT, LIMIT)
    counted = np.isfinite(z)
    total = np.where(counted, z, 0.0).sum(axis=1)
    return np.divide(total, counted.sum(axis=1), out=np.full(len(z), np.nan), where=counted.any(axis=1))


def _facts(part: pa.Table, wanted: set[str]) -> dict[str, np.ndarray]:
    """stem_id → ``(second, fact)``, of those stems of which the scores say it: what their rows say, in their order."""
    if not set(BY_SECOND) <= set(part.column_names):
        return {}
    told = part.filter(pc.and_(_of(part, wanted), pc.is_valid(part[BY_SECOND[0]])))
    names, lists = told["stem_id"].to_pylist(), [told[name].to_pylist() for name in BY_SECOND]
    found: dict[str, list[np.ndarray]] = {}
    for row in np.argsort(numbers(told, "segment"), kind="stable").tolist():
        found.setdefault(names[row], []).append(np.array([each[row] for each in lists], dtype=float).T)
    return {stem_id: np.concatenate(each) for stem_id, each in found.items()}
