"""What a decision may know of the stems that it judges by: those that were planted, and those it calibrates with."""

from __future__ import annotations

from typing import NamedTuple

CORPUS = "corpus"  # to be judged
CALIBRATION = "calibration"  # clean, and trained on as the corpus is
PLANTED = "planted"  # corrupted, likewise
NOISY = "noisy"  # corrupted and unlearned: then it is no evidence


class Role(NamedTuple):
    """Of a stem that went through the training beside the corpus."""

    role: str
    kind: str  # of the planted fault; "clean" for calibration
    origin: str  # the reference track that it was made of


Roles = dict[str, Role]  # by stem_id
