"""Adaptive effort: a first look at every stem, then further segments where the decision is in doubt.

    first-look/part-*.parquet ── effort.parquet ── scores/part-*.parquet

A part of the first look has a row for every segment: scored, silent, or unread. How many further ones each stem gets is
settled once, from the whole first look, and written down; which ones follows from the reading order. The second pass takes
the rows there are, adds the further ones where a full pass has them, and drops what stays unread. So whoever reads
the scores sees one table, and a killed pass goes on as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.corpus.manifest import Stem
from raysep.decision.effort import first_of
from raysep.outcome import Outcome
from raysep.rundir import FIRST_LOOK, Run
from raysep.stages.context import Context
from raysep.stages.plant import Planting

PLAN = "effort.parquet"
Rows = list[dict[str, Any]]


def plan(context: Context, rows: pa.Table, corpus: Iterable[Stem], planting: Planting) -> None:
    """Leaves ``effort.parquet``: how many further segments each judged, calibration and planted stem gets.

    A stem that could only be read by a later attempt (``--retry-failed``) is added; what the others got stands.
    """
    from raysep.decision.aggregate import per_stem, with_roles
    from raysep.decision.first_look import further_segments
    from raysep.probes.stored import columns_of, oriented_in

    run, settings = context.run, context.config
    outcome = np.array(rows["outcome"].to_pylist(), dtype=object)
    stems = per_stem(rows, list(columns_of(rows)), oriented_in(rows))
    stems = with_roles(stems, {s.stem_id for s in corpus}, planting.roles, planting.fold_of)
    stems = stems.filter(pa.compute.equal(stems["outcome"], Outcome.SCORED))
    names = stems["stem_id"].to_pylist()
    before = run.read_table(PLAN) if run.has(PLAN) else None
    if before is not None and set(names) <= set(before["stem_id"].to_pylist()):
        return
    left, counts = np.unique(rows["stem_id"].filter(pa.array(outcome == Outcome.UNREAD)).to_numpy(), return_counts=True)
    count_of = dict(zip(left.tolist(), counts.tolist(), strict=True))
    unread = np.array([count_of.get(name, 0) for name in names], dtype=np.int64)
    scored = rows.filter(pa.array((outcome == Outcome.SCORED) & np.isin(rows["stem_id"].to_numpy(), names)))
    budget = int(settings.scoring.budget * unread.sum())
    table = further_segments(stems, scored, unread, budget, settings.decision.threshold, settings.seed)
    if before is not None:
        new = pa.compute.invert(pa.compute.is_in(table["stem_id"], before["stem_id"].combine_chunks()))
        table = pa.concat_tables([before, table.filter(new)]).sort_by("stem_id")
    run.write_table(table, PLAN)


def read_plan(run: Run) -> dict[str, int]:
    """stem_id → further segments; a stem that is not judged has none."""
    table = run.read_table(PLAN)
    return dict(zip(table["stem_id"].to_pylist(), table["further"].to_pylist(), strict=True))


def first_look(number: int) -> Callable[[str, np.ndarray], np.ndarray]:
    """What the first look reads of each stem: so many audible segments, spread evenly."""
    return lambda label, audible: first_of(audible, number, number)


@dataclass(frozen=True)
class Continuation:
    """A shard's first look, and how many further segments its stems get."""

    rows: dict[str, Rows]  # by track
    further: dict[str, int]
    number: int  # of the first look
    whole: tuple[str, ...]  # probes and likenesses of the whole stem: measured by the first look, not again

    @classmethod
    def read(cls, run: Run, part: str, further: dict[str, int], number: int) -> Continuation:
        from raysep.probes.likeness import LIKENESSES
        from raysep.probes.stored import columns_of, likenesses_in

        rows: dict[str, Rows] = {}
        table = run.read_table(FIRST_LOOK, part)
        for row in table.to_pylist():
            rows.setdefault(row["track"], []).append(row)
        whole = [name for name, column in columns_of(table).items() if column.context == "stem"]
        whole += [name for name in likenesses_in(table)[1] if LIKENESSES[name].context == "stem"]
        return cls(rows, further, number, tuple(whole))

    def go_on(self, track: str, stems: dict[str, Stem], score: Callable[..., Rows]) -> Rows:
        """All rows of a track in a full pass's order; ``score(track, stems, choose, by_stem)`` gives the further ones.

        All its readable stems are handed on, chosen or not: the own context is made of them.
        """
        of_stem: dict[str, Rows] = {}
        for row in self.rows[track]:
            of_stem.setdefault(row["stem"], []).append(row)
        readable = {label: stem for label, stem in stems.items() if of_stem[label][0]["outcome"] != Outcome.FAILED}
        number = {label: self.further.get(stem.stem_id, 0) for label, stem in readable.items()}
        if not any(number.values()):
            return [row for row in self.rows[track] if row["outcome"] != Outcome.UNREAD]

        def choose(label: str, audible: np.ndarray) -> np.ndarray:
            unread = np.array([row["outcome"] == Outcome.UNREAD for row in of_stem[label]])
            return first_of(unread, number[label], self.number)

        by_stem = {
            label: {name: row[name] for name in self.whole}
            for label in readable
            for row in of_stem[label]
            if row["outcome"] == Outcome.SCORED
        }
        further = [
            row for row in score(track, readable, choose, by_stem) if row["outcome"] in (Outcome.SCORED, Outcome.FAILED)
        ]
        lost = [row for row in further if row["outcome"] == Outcome.FAILED]
        new = {(row["stem"], row["segment"]): row for row in further}
        merged = [new.get((row["stem"], row["segment"]), row) for row in self.rows[track]]
        return lost + [
            r for r in merged if r["outcome"] != Outcome.UNREAD and r["stem"] not in {row["stem"] for row in lost}
        ]
