"""The decision as a page counts it: a number or two for each stem, and a row as a dictionary where one is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from raysep.outcome import Outcome
from raysep.report.numbers import known

if TYPE_CHECKING:
    import pyarrow as pa

PLACES = ("kept", "removed", Outcome.SILENT.value, Outcome.FAILED.value)
KEPT, REMOVED, SILENT, FAILED = range(len(PLACES))
WORDS = dict(zip(PLACES, ("kept", "removed", "silent", "not readable"), strict=True))  # of each, on its own


def place(row: Mapping[str, Any]) -> str:
    """Where a decision row belongs: ``kept``, ``removed``, ``silent`` or ``failed``.

    A silent stem that the decision removed counts as removed: it is set aside like any other.
    """
    outcome = str(row.get("outcome") or Outcome.SCORED)
    if outcome.startswith(Outcome.FAILED):
        return PLACES[FAILED]
    keep = row.get("keep")
    if keep is not None and not keep:
        return PLACES[REMOVED]
    return PLACES[SILENT] if outcome == Outcome.SILENT else PLACES[KEPT]


@dataclass(frozen=True)
class Decided:
    """All of it by stem, ``(row,)`` each; NaN = not known."""

    label: np.ndarray  # objects, of which equal ones are one
    place: np.ndarray  # numbers of ``PLACES``
    suspicion: np.ndarray
    p_corrupt: np.ndarray
    row: Callable[[int], dict[str, Any]]

    @classmethod
    def of(cls, decision: Sequence[Mapping[str, Any]] | pa.Table) -> Decided:
        """Of rows, or of a table with the columns of decision.parquet, of which no row is made."""
        return cls._of_rows(decision) if isinstance(decision, Sequence) else cls._of_table(decision)

    @classmethod
    def _of_rows(cls, rows: Sequence[Mapping[str, Any]]) -> Decided:
        labels = np.array([str(row.get("stem", "")) for row in rows], dtype=object)
        places = np.array([PLACES.index(place(row)) for row in rows], dtype=np.int8)
        suspicion, p_corrupt = (
            np.array([float(value) if known(value := row.get(name)) else np.nan for row in rows], dtype=float)
            for name in ("suspicion", "p_corrupt")
        )
        return cls(labels, places, suspicion, p_corrupt, lambda row: dict(rows[row]))

    @classmethod
    def _of_table(cls, table: pa.Table) -> Decided:
        from raysep.decision.aggregate import coded, numbers, text_column

        outcomes, outcome = coded(text_column(table, "outcome", Outcome.SCORED))
        kept, removed = (
            np.array([PLACES.index(place({"outcome": name, "keep": keep})) for name in outcomes], dtype=np.int8)[
                outcome
            ]
            for keep in (True, False)
        )
        places = np.where(table["keep"].fill_null(True).to_numpy(), kept, removed)
        nothing = np.full(len(table), np.nan)
        suspicion, p_corrupt = (
            numbers(table, name) if name in table.column_names else nothing for name in ("suspicion", "p_corrupt")
        )
        return cls(
            text_column(table, "stem", "None"),
            places,
            np.where(np.abs(suspicion) < 1e100, suspicion, np.nan),
            np.where(np.abs(p_corrupt) < 1e100, p_corrupt, np.nan),
            lambda row: dict(table.slice(row, 1).to_pylist()[0]),
        )

    def __len__(self) -> int:
        return len(self.label)

    @property
    def labels(self) -> list[str]:
        """In the order in which they first appear."""
        return list(dict.fromkeys(self.label.tolist()))

    @property
    def audible(self) -> np.ndarray:
        """``(row,)``: that are kept or set aside by a suspicion that is known."""
        return np.isin(self.place, (KEPT, REMOVED)) & np.isfinite(self.suspicion)

    def worst(self, rows: np.ndarray, number: int) -> list[dict[str, Any]]:
        """The most suspect of ``rows`` (numbers), those of which nothing is known in the middle, equal ones as ``order`` has them."""
        key = np.where(np.isfinite(self.suspicion[rows]), -self.suspicion[rows], 0.0)
        if len(key) > number > 0:
            among = key <= np.partition(key, number - 1)[number - 1]
            rows, key = rows[among], key[among]
        likely = np.where(np.isfinite(self.p_corrupt[rows]), -self.p_corrupt[rows], np.inf)
        found = zip(key.tolist(), likely.tolist(), map(self.row, rows.tolist()), strict=True)
        return [row for *_, row in sorted(found, key=lambda one: (*one[:2], str(one[2].get("stem_id"))))[:number]]
