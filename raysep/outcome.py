"""What becomes of a row of a pass: rows in = scored + silent + failed."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """Written into tables as its text, and equal to it."""

    SCORED = "scored"
    SILENT = "silent"  # nothing in it is louder than the level below which there is no evidence
    FAILED = "failed"  # it could not be read or scored; the row says why
    UNREAD = "unread"  # only between two passes: a segment that the first look left to the second
