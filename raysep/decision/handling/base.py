"""What a handling is: a decision's rows and a corpus in, the stems as they are used out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raysep.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.corpus.manifest import Stem
    from raysep.rundir import Run
    from raysep.training.entry import Entry

# stem_id → its row: the columns of decision.parquet, ``spans`` as (start, stop) in seconds, and what else the table has.
# A table that a person made may have no more than ``stem_id, keep, weight``.
Decision = Mapping[str, Mapping[str, Any]]


class NotMade(BadInput):
    """A handling goes by a table that the run does not have."""


@dataclass(frozen=True)
class Handling:
    """One way to act on a decision."""

    name: str
    about: str  # what becomes of the stems, in words: for the page and the help
    apply: Callable[[Decision, Iterable[Stem]], list[Entry]]  # a stem that is left out has no entry
    # What it goes by beside the decision, if anything: a table of the run's folder, and the command that writes it there.
    table: str = ""
    made_by: str = ""
    join: Callable[[pa.Table, pa.Table], pa.Table] | None = None  # the decision with that table's word in it
    # The decision with what else the run says beside it; without a table no command has to be asked for first.
    find: Callable[[pa.Table, Run], pa.Table] | None = None


def named(decision: Decision, stems: Iterable[Stem]) -> Iterator[tuple[Stem, Mapping[str, Any]]]:
    """Each stem that the decision has a row of, with that row, in the stems' order."""
    rows = ((stem, decision.get(stem.stem_id)) for stem in stems)
    return ((stem, row) for stem, row in rows if row is not None)
