"""In which order stems are named: the most suspect first, of equal ones the likelier wrong first, then by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# As pyarrow sorts the columns of a decision by.
SORT_KEYS = [("suspicion", "descending"), ("p_corrupt", "descending"), ("stem_id", "ascending")]


def most_suspect(row: Mapping[str, Any]) -> tuple[float, float, str]:
    """The key that sorts a decision's rows that have a suspicion; one of no known P(corrupt) comes after its equals."""
    chance = row.get("p_corrupt")
    return -row["suspicion"], math.inf if chance is None else -chance, row["stem_id"]
