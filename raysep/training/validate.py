"""Validation of a network in training: whole tracks, dealt to the workers, their figures gathered by all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from raysep.audio.levels import residue_dbfs
from raysep.corpus.manifest import Stem
from raysep.corpus.pools import mixes_of, read_mix
from raysep.errors import RaysepError
from raysep.training.plan import Measure

if TYPE_CHECKING:
    from raysep.separators.base import Separator


@dataclass(frozen=True)
class Validated:
    """What one validation found."""

    value: float  # what training goes by: the mean over tracks of the mean over the track's stems
    by_stem: dict[str, float]  # mean over tracks
    silent: tuple[str, ...] = ()  # track/stem whose reference is silent, so that they count in neither
    residue: float = np.nan  # dBFS, the mean of what is left on those; lower is better
    by_track: tuple[float, ...] = ()  # the mean over the stems of each track that counts, in the order of tracks

    def figures(self) -> dict[str, float]:
        """Name → number, as curves and checkpoints have them; of silent stems only where there are some."""
        means = {"validation/mean": self.value} | {f"validation/{name}": v for name, v in self.by_stem.items()}
        return means | ({"validation/residue": self.residue} if self.silent else {})


def gathered(value: Any) -> list[Any]:
    """What each process has, in the order of ranks; every process must call it."""
    from torch import distributed

    if not (distributed.is_initialized() and distributed.get_world_size() > 1):
        return [value]
    values = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def validate(network: Separator, stems: Sequence[Stem], measure: Measure, rank: int, world: int) -> Validated:
    """``measure`` on separated mixtures of whole tracks: a track counts by the mean over the stems that have a figure.

    Each process separates every ``world``-th track, one at a time in memory. Figures are summed in the order of tracks,
    so the result is the same for any number of processes. A stem without a figure, as with a silent reference, is left
    out of the means. Raises ``RaysepError`` when there is no figure at all.
    """
    _share_statistics(network, world)
    tracks = sorted((track, parts) for track, parts in mixes_of(stems).items() if len(parts) > 1)
    mine = {k: _measured(network, tracks[k][1], measure) for k in range(rank, len(tracks), world)}
    found = {k: row for part in gathered(mine) for k, row in part.items()}
    rows, residues = np.array([found[k] for k in range(len(tracks))], dtype=np.float64).transpose(
        1, 0, 2
    )  # (track, stem)
    rows[~np.isfinite(rows)] = np.nan
    some = np.isfinite(rows)
    if not some.any():
        raise RaysepError("validation: no stem of any track has a figure; are they silent?")
    silent = np.argwhere(~np.isnan(residues))
    by_track = np.nanmean(rows[some.any(axis=1)], axis=1)
    return Validated(
        value=float(by_track.mean()),
        by_stem={label: float(np.nanmean(rows[:, k])) for k, label in enumerate(network.stems) if some[:, k].any()},
        silent=tuple(f"{tracks[track][0]}/{network.stems[k]}" for track, k in silent),
        residue=float(np.nanmean(residues)) if len(silent) else np.nan,
        by_track=tuple(by_track.tolist()),
    )


def _measured(network: Separator, stems: dict[str, Stem], measure: Measure) -> tuple[list[float], list[float]]:
    """The figure of each stem, and the residue of those whose reference is silent; NaN of the others, and of what is missing."""
    from raysep.separators import inference

    there = [label for label in network.stems if label in stems]
    audio = read_mix({label: stems[label] for label in there}, network.sample_rate, network.channels)
    references = np.stack([audio[label] for label in there])
    own = [network.stems.index(label) for label in there]
    estimates = np.asarray(inference.separate(network, references.sum(axis=0)))[own]
    figures, residues = np.full((2, len(network.stems)), np.nan)
    figures[own] = measure(references, estimates)
    residues[own] = [residue_dbfs(*pair) for pair in zip(references, estimates, strict=True)]
    return figures.tolist(), residues.tolist()


def _share_statistics(network: Separator, world: int) -> None:
    """Running statistics (buffers) of rank 0 on every process, as they are in the checkpoint."""
    from torch import distributed

    if world > 1:
        for buffer in network.buffers():
            distributed.broadcast(buffer, 0)
