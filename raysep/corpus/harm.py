"""How much each kind of fault harms a separator, as measured: dB of SDR below training on the clean songs.

`raysep benchmark harm` measures it, and what it wrote is kept beside the simulator in ``harm.json``. Detection is weighed
by it: a fault that harms nobody need not be found.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any

ANY = "any"  # a severity: the faults that were planted had all that the kind has, in equal parts


@dataclass(frozen=True)
class Measured:
    kind: str
    severity: str  # or ``ANY``
    db: float  # clean minus contaminated: positive is harm
    low: float | None  # of its interval; None where there was none
    high: float | None
    seeds: int
    songs: int  # that were trained on
    steps: int
    share: float  # of the stems that had the fault


@dataclass(frozen=True)
class HarmTable:
    """What was measured, and how: ``command`` gives it again, ``about`` says what to know before using it."""

    about: str
    command: str
    rows: tuple[Measured, ...]

    def weight(self, kind: str, severity: str) -> float:
        """Harm in dB, never negative; that of the kind at ``ANY`` severity where this one was not measured by itself.

        NaN for what was never measured.
        """
        known = {row.severity: row.db for row in self.rows if row.kind == kind}
        db = known.get(severity, known.get(ANY, math.nan))
        return db if math.isnan(db) else max(0.0, db)

    def to_json(self) -> str:
        plain = {"about": self.about, "command": self.command, "rows": [asdict(row) for row in self.rows]}
        return json.dumps(plain, indent=1) + "\n"


def table_of(plain: Mapping[str, Any]) -> HarmTable:
    """The table that ``HarmTable.to_json`` wrote, parsed."""
    return HarmTable(plain["about"], plain["command"], tuple(Measured(**row) for row in plain["rows"]))


@cache
def stored() -> HarmTable:
    """The table that raysep comes with."""
    return table_of(json.loads(resources.files("raysep.corpus").joinpath("harm.json").read_text(encoding="utf-8")))
