"""How each track of a reference scores with itself left out: the reference looked at as sternly as a corpus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raysep.probes.fad.measures import held_out, matched
from raysep.probes.fad.reference import LabelReference
from raysep.probes.fad.twins import same_audio

Scores = dict[str, dict[str, float]]  # name of a measure → {"raw", "z", "p"}


def leave_one_out_scores(
    reference: LabelReference, tracks: Sequence[np.ndarray], measures: Sequence[str], seed: int = 0
) -> list[Scores]:
    """Of each raw ``(n ≥ 1, dimension)`` track that ``reference`` was made from, in that order; NaN where n < 2.

    Left out of the frames that it is compared with, and its excerpts out of the null; so are its copies under other
    names. The standardisation stays that of the whole reference, which is what the null's own distances were measured in.
    """
    standardised = [reference.standardise(track) for track in tracks]
    # Rounded as ``LabelReference.from_tracks`` rounds them.
    kept = [track.astype(np.float32).astype(np.float64) for track in standardised]
    copies = {track: group for group in same_audio(kept) for track in group}  # itself among them
    found = []
    for index, (track, others) in enumerate(zip(standardised, held_out(kept, seed), strict=True)):
        if len(track) < 2:
            found.append({name: dict.fromkeys(("raw", "z", "p"), float("nan")) for name in measures})
            continue
        nulls = {name: reference.nulls[name].without(*copies[index]) for name in measures if name in reference.nulls}
        found.append(matched(track, others, measures, nulls))
    return found
