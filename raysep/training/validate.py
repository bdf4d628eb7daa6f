"""Validation of a network in training: whole tracks, dealt to the workers, their figures gathered by all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from raysep.corpus import manifest
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem
from raysep.errors import BadInput, RaysepError
from raysep.training.plan import Measure

if TYPE_CHECKING:
    from raysep.separators.base import Separator


def gathered(value: Any) -> list[Any]:
    """What each process has, in the order of ranks; every process must call it."""
    from torch import distributed

    if not (distributed.is_initialized() and distributed.get_world_size() > 1):
        return [value]
    values = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def validate(
    network: Separator, stems: Sequence[Stem], measure: Measure, rank: int, world: int
) -> tuple[float, dict[str, float]]:
    """(mean over tracks and stems, mean over tracks by stem) of ``measure`` on separated mixtures of whole tracks.

    Each process separates every ``world``-th track, one at a time in memory. Figures are summed in the order of tracks,
    so the result is the same for any number of processes. A stem without a figure (silent) is left out of the mean.
    Raises ``RaysepError`` when there is no figure at all.
    """
    _share_statistics(network, world)
    tracks = sorted(manifest.tracks_of(stems).items())
    mine = {k: _measured(network, *tracks[k], measure) for k in range(rank, len(tracks), world)}
    found = {k: row for part in gathered(mine) for k, row in part.items()}
    rows = np.array([found[k] for k in range(len(tracks))], dtype=np.float64)  # (track, stem)
    if not np.isfinite(rows).any():
        raise RaysepError("validation: no stem of any track has a figure; are they silent?")
    by_stem = {
        label: float(column[np.isfinite(column)].mean())
        for label, column in zip(network.stems, rows.T, strict=True)
        if np.isfinite(column).any()
    }
    return float(rows[np.isfinite(rows)].mean()), by_stem


def _measured(network: Separator, track: str, stems: dict[str, Stem], measure: Measure) -> list[float]:
    from raysep.separators import inference

    if missing := [label for label in network.stems if label not in stems]:
        raise BadInput(f"validation track {track}: has no {', '.join(missing)}; add it, or leave the track out")
    references = np.stack([read_stem(stems[label], network.sample_rate, network.channels) for label in network.stems])
    estimates = np.asarray(inference.separate(network, references.sum(axis=0)))
    return [value if math.isfinite(value) else math.nan for value in map(float, measure(references, estimates))]


def _share_statistics(network: Separator, world: int) -> None:
    """Running statistics (buffers) of rank 0 on every process, as they are in the checkpoint."""
    from torch import distributed

    if world > 1:
        for buffer in network.buffers():
            distributed.broadcast(buffer, 0)
