"""Named conditions: which faults a corpus gets, how strong, and in how many of its stems.

A fault that nobody hears harms nothing and cannot be found, so the conditions after published data leave the mild ones
out. Kinds are in equal parts, by the stems that they touch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from raysep.corpus import storage
from raysep.corpus.faults import KINDS, SEVERITIES
from raysep.errors import BadInput

AUDIBLE = ("medium", "strong")


@dataclass(frozen=True)
class Condition:
    kinds: tuple[str, ...]
    severities: tuple[str, ...]
    share: float  # of the stems, that have a fault
    about: str  # which published data it follows
    reference: int | None = 10  # songs of the reference in a benchmark corpus; None: as many as its size says


TEN_KINDS = "ten-kinds"
CONDITIONS = {
    TEN_KINDS: Condition(
        KINDS, SEVERITIES, 0.5, "every fault of the simulator in equal parts, after no published data", None
    ),
    "label-noise": Condition(
        ("swap", "merge"),
        AUDIBLE,
        0.4,
        "as SDXDB23_LabelNoise of SDX'23: instruments under wrong names and in wrong groups; there 35 to 45 % of the stems "
        "were judged wrong",
    ),
    "bleeding": Condition(
        ("bleed-one", "bleed-all"),
        AUDIBLE,
        0.8,
        "as SDXDB23_Bleeding of SDX'23: other stems of the song leak in, in nearly every song, at varying strength",
    ),
    "mixed": Condition(
        ("swap", "merge", "bleed-one", "bleed-all"),
        AUDIBLE,
        0.6,  # half of it is bleed, which hardly harms: with 0.4 there was 0.26 dB to win, too little to tell anything apart
        "as the paper on data cleaning by attribution (arXiv 2510.15409): label noise and bleeding in one corpus",
    ),
}


def condition(name: str) -> Condition:
    """Raises ``BadInput`` for a name that is none."""
    if name not in CONDITIONS:
        raise BadInput(f"--condition {name}: there is no such condition; choose one of {', '.join(CONDITIONS)}")
    return CONDITIONS[name]


def is_note(uri: str) -> bool:
    """Whether a file is a corpus's note, as ``note`` gives it."""
    try:
        return set(note(None, (), (), 0.0, 0)) <= set(json.loads(storage.read_bytes(uri)))
    except (OSError, ValueError, TypeError):
        return False


def note(
    name: str | None, kinds: tuple[str, ...], severities: tuple[str, ...], share: float, seed: int
) -> dict[str, Any]:
    """What a corpus's note says of the faults in it; ``name`` is that of the condition, None for faults of one's own."""
    faults = {"kinds": list(kinds), "severities": list(severities), "share": share, "seed": seed}
    return {"condition": name, **({"about": CONDITIONS[name].about} if name else {}), **faults}
