"""A stem that is wrong only in places is used without these: a gap of a second is no reason to lose four minutes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from raysep.decision.handling.base import Decision, Handling, named
from raysep.decision.handling.relabel import belongs_elsewhere
from raysep.errors import BadInput
from raysep.outcome import Outcome
from raysep.training.entry import Entry, Spans

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.corpus.manifest import Stem
    from raysep.rundir import Run

COLUMN = "places"  # in words where a removed stem is wrong, or why that is not known; null = kept, or not scored
LEAST_LEFT = 1.0  # seconds of a stem: what is left of less is nothing to train on
ELSEWHERE = "belongs to another label"
UNSEEN = "where it is wrong is not known: no scores of its segments, or too few of trusted stems"


def mask(decision: Decision, stems: Iterable[Stem]) -> list[Entry]:
    rows = list(named(decision, stems))
    if rows and not any(COLUMN in row for _, row in rows):
        raise BadInput(
            f"handling mask: the decision has no column {COLUMN!r}: `raysep decide RUN --handling mask` writes a decision with it"
        )
    entries = []
    for stem, row in rows:
        if row["keep"]:
            entries.append(Entry(stem))
        elif not belongs_elsewhere(stem, row) and (spans := inside(stem, row["spans"])):
            entries.append(Entry(stem, spans=spans))
    return entries


def inside(stem: Stem, spans: Spans) -> Spans:
    """The spans as far as they lie in the stem; none where next to nothing of it would be left."""
    seconds = stem.frames / stem.sample_rate
    found = tuple((start, min(stop, seconds)) for start, stop in spans if start < seconds)
    return found if seconds - sum(stop - start for start, stop in found) >= LEAST_LEFT else ()


def with_places(decision: pa.Table, run: Run) -> pa.Table:
    """The decision with ``spans`` (seconds) and ``places`` (words) of the removed stems, by the scores of a run.

    One that has them keeps them. A removed stem that belongs to another label has no spans: nothing of it is right.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from raysep.decision.placing import OF_SPANS, places_of

    if COLUMN in decision.column_names:
        return decision
    found = places_of(run)
    known = dict(zip(found["stem_id"].to_pylist(), found.to_pylist(), strict=True))
    removed = pc.and_(pc.invert(decision["keep"]), pc.equal(decision["outcome"], Outcome.SCORED))
    numbers = np.flatnonzero(removed.to_numpy()).tolist()
    told = [_told(row, known.get(row["stem_id"])) for row in decision.filter(removed).to_pylist()]
    spans: list[Any] = [None] * len(decision)
    words: list[str | None] = [None] * len(decision)
    for number, (where, why) in zip(numbers, told, strict=True):
        spans[number], words[number] = where, why
    reasons = pa.array([f"; {why}" if why else "" for why in words], pa.string())
    reasons = pc.binary_join_element_wise(decision["reason"].combine_chunks(), reasons, "")
    decision = decision.set_column(decision.schema.get_field_index("reason"), "reason", reasons)
    decision = decision.append_column("spans", pa.array(spans, OF_SPANS))
    return decision.append_column(COLUMN, pa.array(words, pa.string()))


def _told(row: Mapping[str, Any], found: Mapping[str, Any] | None) -> tuple[list[Any], str]:
    """The spans of a removed stem, and in words where it is wrong."""
    if row.get("label"):
        return [], ELSEWHERE
    return (found["spans"], found["words"] or UNSEEN) if found else ([], UNSEEN)


MASK = Handling(
    "mask",
    "what is not kept is used without the seconds that are wrong, where it is wrong only in places, else left out",
    mask,
    find=with_places,
)
