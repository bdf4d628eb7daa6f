"""What a handling could not choose in a run, and why: where nothing tells what a stem is, it can only be left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raysep.decision.handling.base import Decision
from raysep.decision.handling.reading import removed_rows
from raysep.outcome import Outcome

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.decision.other_label import Evidence

TELLS_LABELS, TELLS_HARM = ("relabel", "auto"), ("spare", "auto")  # handlings that use a removed stem for it
NO_HARM_KNOWN = "too few planted stems tell how much a fault harms"


def unchosen(name: str, decision: Decision, stems: pa.Table, evidence: Evidence) -> str:
    """Why the handling ``name`` uses none of the removed stems for their label, or for their harm; "" where it does.

    Nothing is said of a decision that removes no stem which could be heard, and of one that a person's word removed.

    Args:
        stems: the scores that the decision was made of.
        evidence: their columns that say what a stem is like.
    """
    from raysep.decision.other_label import why_none

    if name not in TELLS_LABELS and name not in TELLS_HARM:
        return ""
    removed = labelled = left = harm_known = 0
    for row in filter(_by_the_rule, removed_rows(decision)):  # of a million rows none is held
        removed += 1
        labelled += bool(row.get("label"))
        if name not in TELLS_LABELS or not row.get("label"):
            left += 1
            harm_known += row.get("harm") is not None
    if not removed:
        return ""
    told = []
    if name in TELLS_LABELS and not labelled:
        told.append(f"no stem is used under another label: {why_none(stems, evidence)}")
    if name in TELLS_HARM and left and not harm_known:
        told.append(f"none is kept for doing no harm: {NO_HARM_KNOWN}")
    as_drop = name == "auto" and len(told) == 2
    return "; ".join([*told, *(["so auto does here as drop does"] if as_drop else [])])


def _by_the_rule(row: Mapping[str, Any]) -> bool:
    return row.get("outcome", Outcome.SCORED) == Outcome.SCORED and not row.get("verdict")
