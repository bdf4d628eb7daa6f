"""What a decision may know of the stems that were planted and of those it calibrates with."""

from __future__ import annotations

from typing import NamedTuple


class Role(NamedTuple):
    """Of a stem that went through the training beside the corpus."""

    role: str  # planted | calibration | noisy
    kind: str  # of the planted fault; "clean" for calibration
    origin: str  # the reference track that it was made of


Roles = dict[str, Role]  # by stem_id
