"""A decision table read back, by the run that made it or by a training that is to go by it."""

from __future__ import annotations

import json
import math
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from itertools import repeat
from typing import TYPE_CHECKING, Any

from raysep.decision.handling.base import Decision
from raysep.errors import BadInput
from raysep.outcome import Outcome

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.rundir import Run


AT_ONCE = 1 << 12  # rows that are made at once where they are asked for one after another
NEAR = 16  # rows: that is nearly in order, and as many in a row show that it is the table's


class Rows(Mapping[str, Mapping[str, Any]]):
    """stem_id → row, made of the table's columns when it is asked for: of a million rows no dictionary is held.

    Handlings ask in the order of the table or nearly so: after some rows of that a block of them is made at once. In any other
    order each is looked for by itself. Of either only the columns that are asked for become values.
    """

    def __init__(self, columns: dict[str, Any]) -> None:
        from raysep.corpus.lookup import row_of

        self.columns = columns
        self._row_of = row_of(columns["stem_id"])
        self._block: dict[str, Row] = {}
        self._after = self._near = 0  # the row that is next in that order, and how many were near it one after another

    def __getitem__(self, stem_id: str) -> Mapping[str, Any]:
        row = self.get(stem_id)
        if row is None:
            raise KeyError(stem_id)
        return row

    def get(self, stem_id: str, default: Any = None) -> Any:
        found = self._block.get(stem_id)
        return self._looked_for(stem_id, default) if found is None else found

    def __iter__(self) -> Iterator[str]:
        return iter(self._row_of)

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, stem_id: object) -> bool:
        return stem_id in self._block or stem_id in self._row_of

    def values(self) -> ValuesView[Mapping[str, Any]]:
        return _Each(self)

    def items(self) -> ItemsView[str, Mapping[str, Any]]:
        return _Items(self)

    def named_where(self, chosen: Any) -> set[str]:
        """The stems of the rows that an Arrow array of yes and no says."""
        return set(self.columns["stem_id"].filter(chosen).to_pylist())

    def rows_where(self, chosen: Any = None) -> Iterator[Mapping[str, Any]]:
        """These rows in their order; None = all."""
        columns = self.columns if chosen is None else {name: each.filter(chosen) for name, each in self.columns.items()}
        for first in range(0, len(columns["stem_id"]), AT_ONCE):
            yield from _rows(_Values(columns, first, AT_ONCE))

    def _looked_for(self, stem_id: Any, default: Any) -> Any:
        row = self._row_of.get(stem_id)
        if row is None:
            return default
        self._near = self._near + 1 if -1 <= row - self._after < NEAR else 0
        self._after = row + 1
        if self._near < NEAR:
            return Row(_Values(self.columns, row, 1), 0)
        made = _Values(self.columns, row, AT_ONCE)
        self._block = dict(zip(made["stem_id"], _rows(made), strict=True))
        self._after = row + len(self._block)
        return self._block[stem_id]


class _Values(dict[str, list[Any]]):
    """Some rows' values by column, made of a column when it is asked for."""

    def __init__(self, columns: Mapping[str, Any], first: int, count: int) -> None:
        self.columns, self._first, self._count = columns, first, count

    def __missing__(self, name: str) -> list[Any]:
        column = self.columns[name].slice(self._first, self._count)
        self[name] = _spans(column) if name == "spans" else column.to_pylist()
        return self[name]


class Row(Mapping[str, Any]):
    """One of them."""

    __slots__ = ("_row", "_values")

    def __init__(self, values: _Values, row: int) -> None:
        self._values, self._row = values, row

    def __getitem__(self, name: str) -> Any:
        return self._values[name][self._row]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values.columns)

    def __len__(self) -> int:
        return len(self._values.columns)

    def __repr__(self) -> str:
        return repr(dict(self))


class _Each(ValuesView[Mapping[str, Any]]):
    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return self._mapping.rows_where()  # type: ignore[attr-defined]


class _Items(ItemsView[str, Mapping[str, Any]]):
    def __iter__(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        return ((row["stem_id"], row) for row in self._mapping.rows_where())  # type: ignore[attr-defined]


def _rows(values: _Values) -> Iterator[Row]:
    return map(Row, repeat(values), range(len(values["stem_id"])))


def _spans(column: Any) -> list[Any]:
    if column.null_count == len(column):
        return [()] * len(column)
    return [tuple((span["start"], span["stop"]) for span in spans or ()) for spans in column.to_pylist()]


def removed_rows(decision: Decision) -> Iterator[Mapping[str, Any]]:
    """The rows of the stems that the decision does not keep."""
    import pyarrow.compute as pc

    if isinstance(decision, Rows):
        return decision.rows_where(pc.invert(decision.columns["keep"]))
    return (row for row in decision.values() if not row.get("keep", True))


def failed_in(decision: Decision) -> set[str]:
    """The stems that could not be read, where the decision says so."""
    import pyarrow.compute as pc

    if not isinstance(decision, Rows):
        return {stem_id for stem_id, row in decision.items() if row.get("outcome") == Outcome.FAILED}
    outcome = decision.columns.get("outcome")
    return set() if outcome is None else decision.named_where(pc.equal(outcome, Outcome.FAILED).fill_null(False))


def has_column(decision: Decision, name: str) -> bool:
    return name in (decision.columns if isinstance(decision, Rows) else next(iter(decision.values()), {}))


def removed_in(decision: Decision) -> set[str]:
    """The stems that the decision does not keep."""
    import pyarrow.compute as pc

    if isinstance(decision, Rows):
        return decision.named_where(pc.invert(decision.columns["keep"]))
    return {stem_id for stem_id, row in decision.items() if not row.get("keep", True)}


def spoken_of(decision: Decision) -> set[str]:
    """The stems that a person has said something of."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(decision, Rows):
        said = decision.columns.get("verdict")
        return set() if said is None else decision.named_where(pc.not_equal(said.cast(pa.string()).fill_null(""), ""))
    return {stem_id for stem_id, row in decision.items() if row.get("verdict")}


def rows_of(table: pa.Table) -> Rows:
    """stem_id → row, ``weight`` as a number (0 where there is none and none is needed) and ``spans`` as pairs.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what is no decision table, and for one that says two things of a stem.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {name: table[name].combine_chunks() for name in table.column_names}
    for name in ("stem_id", "track", "stem"):
        if name in columns:
            columns[name] = pc.utf8_normalize(columns[name].cast(pa.string()), "NFC")
    keep, weight = _yes_or_no(columns["keep"]), columns["weight"].cast(pa.float64())
    if pc.any(pc.and_(keep, weight.is_null())).as_py():
        raise TypeError("weight: a stem that is kept has none")
    _refuse_unclear(columns["stem_id"])
    of_spans = pa.list_(pa.struct([("start", pa.float64()), ("stop", pa.float64())]))
    spans = columns.get("spans", pa.nulls(len(table)))
    if pa.types.is_string(spans.type):  # of a CSV
        spans = pa.array([json.loads(text) if text else None for text in spans.to_pylist()])
    return Rows({**columns, "keep": keep, "weight": weight.fill_null(0.0), "spans": spans.cast(of_spans)})


def _yes_or_no(keep: pa.Array) -> pa.Array:
    """As other programs write it too: 1 and 0, or "true" and "false". Raises ``TypeError`` for anything else."""
    import pyarrow as pa

    if keep.null_count:
        raise TypeError("keep: a stem has none")
    is_number = pa.types.is_floating(keep.type) or pa.types.is_integer(keep.type)
    if is_number and (odd := [value for value in keep.unique().to_pylist() if value not in (0, 1)]):
        raise TypeError(f"keep: {odd[0]} is neither 1 nor 0")
    return keep.cast(pa.string()).cast(pa.bool_()) if _is_text(keep.type) else keep.cast(pa.bool_())


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value))


def _refuse_unclear(names: pa.Array) -> None:
    """Raise ``ValueError`` for a row without a stem, and for a stem of several rows."""
    if names.null_count:
        raise ValueError("stem_id: a row has none")
    if len(names.unique()) < len(names):
        twice = next(each["values"] for each in names.value_counts().to_pylist() if each["counts"] > 1)
        raise ValueError(f"several rows are of {twice!r}; keep one of them")


def read_decision(uri: str, run: Run | None = None) -> Decision:
    """The rows of a table (Parquet or CSV) with ``stem_id``, ``keep``, ``weight`` and, if it has it, ``spans``.

    ``spans`` is a list of ``{start, stop}`` in seconds, audio that is not to be used; empty and missing mean none.
    ``run``: where what was restored lies now, whatever the table says. Raises ``BadInput`` for a file that is no decision table, and for a weight or a span that makes no sense.
    """
    import pyarrow as pa

    from raysep.corpus import storage
    from raysep.corpus.tables import read_table
    from raysep.decision.handling.restore import relocated
    from raysep.decision.verdicts import SCHEMA

    try:
        table = read_table(storage.absolute(uri), SCHEMA)
        decision = rows_of(relocated(table, run) if run else table)
    except (FileNotFoundError, pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"--decision {uri}: no decision table ({error}); give a run's decision.parquet") from error
    for stem_id, row in decision.items():
        weight = row["weight"]
        if row["keep"] and not (math.isfinite(weight) and weight >= 0):
            raise BadInput(f"--decision {uri}: weight {weight} of {stem_id}: must be a number of at least 0")
    for stem_id, row in decision.items():
        if wrong := [span for span in row["spans"] if not 0 <= span[0] < span[1]]:
            raise BadInput(f"--decision {uri}: span {wrong[0]} of {stem_id}: start must be at least 0 and before stop")
    return decision
