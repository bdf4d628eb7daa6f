"""The stems of a page: as many as it has room for, and first those that it is made for."""

from __future__ import annotations

import pytest

from raysep.report.evidence import sounding
from raysep.report.evidence.listing import TEXT_BYTES
from raysep.report.listening import card


@pytest.fixture(scope="module")
def rows(evidence) -> dict[str, dict]:
    return {row["stem_id"]: row for row in sounding.shown(evidence)}


def test_a_page_without_room_says_so_for_what_is_left_out(evidence, rows):
    one = sum(sounding.weight(take) for take in next(iter(rows.values()))["takes"])
    few = sounding.shown(evidence, room=round(2.5 * one))
    assert [bool(row.get("takes")) for row in few[:4]] == [True, True, False, False]
    assert all("No room" in row["note"] for row in few[2:])
    assert [row["stem_id"] for row in few] == list(rows)


def test_a_page_stays_below_twenty_megabytes(rows):
    """What is counted is what stands in the page, and all that is counted leaves room for the rest of it."""
    for number, row in enumerate(rows.values()):
        counted = sum(sounding.weight(take) for take in row["takes"])
        assert len(card(row, number, ("bass", "drums", "other", "vocals")).encode()) < 1.1 * counted + 12_000
    assert sounding.SOUND_BYTES + TEXT_BYTES < 19 << 20


def test_what_a_page_is_made_for_comes_first_and_once(evidence, rows):
    first = list(rows)[-2:]
    found = sounding.shown(evidence, room=0, first=first)
    assert [row["stem_id"] for row in found][:2] == first
    assert [row["group"] for row in found][:3] == ["changed", "changed", "suspect"]
    assert len(found) == len(rows)
