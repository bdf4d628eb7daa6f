"""A planned training by one process that holds all of its audio, as a function of the weights of its stems.

What it draws, and the network that it begins with, are those of ``cluster.fit`` with one part: there the audio streams in,
here it is read at once, since whoever asks for a derivative needs every batch twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch

from raysep.audio.resample import resampled_frames
from raysep.separators import registry
from raysep.training.entry import Entry
from raysep.training.pieces import pieces
from raysep.training.plan import Plan
from raysep.training.pool import SegmentPool
from raysep.training.samples import dtype_of
from raysep.training.unrolled import Batch, Unrolled

STATISTICS_BATCHES = 4  # as ``cluster.fit`` has it
PIECE = 2  # examples long


@dataclass
class Audio:
    """The stems of a training, decoded, and why some could not be read."""

    pool: SegmentPool
    stem_ids: tuple[str, ...]  # stem i of the weights
    unread: dict[str, str] = field(default_factory=dict)  # stem_id → why


def read(plan: Plan) -> Audio:
    """All stems of a plan, in its order."""
    rate, channels = plan.arguments["sample_rate"], plan.arguments.get("channels", 2)
    frames = round(PIECE * plan.recipe.segment_seconds * rate)
    audio = Audio(SegmentPool(plan.labels, 2**50), tuple(entry.stem.stem_id for entry in plan.stems))
    for entry in plan.stems:
        for start, samples, error in pieces(entry.stem, frames, rate, channels, entry.spans):
            if error:
                audio.unread[entry.stem.stem_id] = error
            elif samples.shape[1]:
                # Every second of a stem is drawn as often as any other, in a short piece as in a whole one.
                weight = entry.weight * samples.shape[1] / frames
                audio.pool.add(entry.stem.stem_id, start, entry.label, samples, weight, entry.stem.track)
    return audio


def bytes_of(entries: Iterable[Entry], sample_rate: int, channels: int) -> int:
    """What ``read`` is going to hold, by what the manifest says."""
    return sum(
        resampled_frames(stem.frames, stem.sample_rate, sample_rate)
        * channels
        * np.dtype(dtype_of(stem, sample_rate, channels)).itemsize
        for stem in (entry.stem for entry in entries)
        if stem.frames
    )


class Drawing:
    """The batches of a training, and how often each stem was in one."""

    def __init__(self, audio: Audio, plan: Plan) -> None:
        self._audio, self._plan = audio, plan
        self._place = {stem_id: number for number, stem_id in enumerate(audio.stem_ids)}
        self._owners: dict[int, np.ndarray] = {}  # step → (batch, stem)

    def __call__(self, step: int) -> Batch:
        recipe = self._plan.recipe
        frames = round(recipe.segment_seconds * self._plan.arguments["sample_rate"])
        targets, names = self._audio.pool.draw_named(recipe.batch, frames, step, recipe.seed)
        owners = np.array([[self._place[name] for name in example] for example in names])
        if step < recipe.steps:  # those after it are only for the network's statistics
            self._owners[step] = owners
        return Batch(targets, owners)

    @property
    def times(self) -> np.ndarray:
        """Examples that each stem was in, ``(stem,)``, of the steps that were drawn."""
        drawn = np.concatenate([owners.ravel() for owners in self._owners.values()] or [np.zeros(0, int)])
        return np.bincount(drawn, minlength=len(self._audio.stem_ids))


def unrolled(plan: Plan, audio: Audio, device: str | torch.device = "cpu") -> tuple[Unrolled, Drawing]:
    """The training of ``plan`` on the audio that ``read`` gave, of this plan or of one with another seed.

    Raises ``BadInput`` as ``Unrolled`` does, and when a label has nothing audible.
    """
    recipe, drawing = plan.recipe, Drawing(audio, plan)
    torch.manual_seed(recipe.seed)
    network = registry.build(plan.model, **plan.arguments)
    first = np.concatenate([drawing(recipe.steps + k).targets for k in range(STATISTICS_BATCHES)])
    network.set_input_statistics(torch.from_numpy(first.sum(axis=1)))
    return Unrolled(network.to(device), drawing, recipe), drawing
