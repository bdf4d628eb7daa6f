"""The stems of a page with their sounds, as many as it has room for."""

from __future__ import annotations

from collections.abc import Sequence

from raysep.report.data import Row, Take
from raysep.report.evidence.choosing import CHANGED, Chosen
from raysep.report.evidence.of_run import Evidence

SOUND_BYTES = 13 << 20  # of all sounds and pictures in a page, as they stand in it


def shown(evidence: Evidence, room: int = SOUND_BYTES, first: Sequence[str] = ()) -> list[Row]:
    """The stems of a page with their sounds, until there is no more room; what then has none says how it can be heard.

    ``first``: stems that are shown before those that are chosen.
    """
    ahead = [Chosen(stem_id, CHANGED) for stem_id in first]
    rows, chosen = [], [*ahead, *(each for each in evidence.chosen() if each.stem_id not in first)]
    evidence.standing.prepare(each.stem_id for each in chosen)
    for stem_id, group in chosen:
        row = evidence.row(stem_id, group)
        if room > 0:
            full = evidence.with_sounds(row)
            size = sum(weight(each) for each in full["takes"])
            room -= size
            row = full if room >= 0 else row
        if not row.get("takes") and not row.get("note"):
            row = row | {"note": "No room for its sound on this page."}
        rows.append(row)
    return rows


def weight(heard: Take) -> int:
    """Bytes that a take is in a page."""
    return len(heard.source) + 4 * len(heard.spectrogram) // 3 + 12 * len(heard.outline.low)
