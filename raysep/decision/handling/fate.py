"""What becomes of one stem, in words: what its decision says, and where the handling does otherwise, that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from raysep.corpus.lookup import Texts

if TYPE_CHECKING:
    from raysep.rundir import Run

KEPT, REMOVED = "kept", "removed"
CUT = "used without some seconds"


def used_in(run: Run) -> Mapping[str, str] | None:
    """stem_id → the label that it is used as, of the stems that a decided run uses; None where it does not say."""
    if not run.has("cleaned.parquet"):
        return None
    cleaned = run.read_table("cleaned.parquet")
    return Texts(*(pc.utf8_normalize(cleaned[name], "NFC") for name in ("stem_id", "stem")))


def fate(row: Mapping[str, Any], used: Mapping[str, str] | None) -> str:
    """Of a decision's row; ``used`` as ``used_in`` gives it. A word, or where the handling does otherwise some."""
    decided = KEPT if row["keep"] else REMOVED
    if used is None:
        return decided
    label = used.get(row["stem_id"])
    if label is None:
        return "left out all the same" if row["keep"] else REMOVED
    if label != row["stem"]:
        return f"used as {label}"
    if row["keep"]:
        return KEPT
    out = _seconds(row.get("spans") or ())
    if out:
        return f"used without the {out:.1f} s that are wrong"
    return "used as the separator restored it" if row.get("restored") else "used all the same"


def in_short(words: str) -> str:
    """The same for many stems, as a table is filtered by it: without how many seconds of each are left out."""
    return CUT if words.startswith("used without the ") else words


def _seconds(spans: Iterable[Any]) -> float:
    """How long spans are together, as pairs or as a table's rows have them."""
    pairs = ((span["start"], span["stop"]) if isinstance(span, Mapping) else span for span in spans)
    return float(sum(stop - start for start, stop in pairs))
