"""The training whose derivative is asked for: the run's, made smooth, and what it will take, looked at before any work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from raysep import config as settings
from raysep.config import Config
from raysep.corpus.hashing import stable_hash
from raysep.corpus.manifest import Stem, tracks_of
from raysep.corpus.segments import Drawn
from raysep.errors import BadInput
from raysep.stages import train
from raysep.stages.context import Context
from raysep.training.entry import Entry
from raysep.training.plan import Plan

EPS_ROOT = 1e-4  # where the run's own training has none
GIB = 2**30
# Trainings that one metagradient costs, that one included, and each further loss: see docs/worth.md.
EACH, EACH_REPLAYED, EACH_QUERY = 4, 5, 2.5


@dataclass(frozen=True)
class Needs:
    """What one seed takes."""

    parameters: int
    audio_bytes: int
    state_bytes: int  # of those kept at once
    stride: int
    left_out: tuple[str, ...]  # of the training, in words

    @property
    def trainings(self) -> int:
        return EACH if self.stride == 1 else EACH_REPLAYED

    def words(self, at_once: int) -> str:
        """Memory, in one line."""
        audio, states = self.audio_bytes / GIB, self.state_bytes / GIB
        return (
            f"each of up to {at_once} at once holds {audio:.2g} GiB of audio and {states:.2g} GiB of states beside its network "
            f"({self.parameters:,} parameters)"
        )


def smoothed(config: Config, overrides: dict[str, Any]) -> tuple[Config, str]:
    """The settings of the training, and what to say where they are not the run's; ``overrides`` are the user's."""
    changed = settings.from_dict(settings.merge(settings.to_dict(config), overrides))
    if changed.training.eps_root:
        return changed, ""
    if "eps_root" in overrides.get("training", {}):
        return changed, ""  # 0 at the user's word, which is refused in the words of the training
    changed = settings.from_dict(settings.merge(settings.to_dict(changed), {"training": {"eps_root": EPS_ROOT}}))
    return changed, f"trained with training.eps_root {EPS_ROOT:g}, where the run has 0: the derivative needs it"


def planned(context: Context, name: str, entries: list[Entry], seed: int) -> Plan:
    """One training without validation, by the context's settings."""
    return train.plan(replace(context, validation=()), name, entries, seed=seed)


def checked(plan: Plan, memory_gib: float) -> Needs:
    """What a seed of this plan takes. Raises ``BadInput`` for a recipe or a network that has no derivative, and when its
    states do not fit into ``memory_gib``.
    """
    import numpy as np
    import torch

    from raysep.probes.metagradient import check_differentiable, stride_for
    from raysep.separators import registry
    from raysep.training import in_memory
    from raysep.training.unrolled import Batch, Unrolled, left_out

    rate, channels = plan.arguments["sample_rate"], plan.arguments.get("channels", 2)
    if not plan.stems:
        raise BadInput("no stem of the corpus can be read: there is nothing to train on")
    torch.manual_seed(0)
    network = registry.build(plan.model, **plan.arguments)
    noise = 0.1 * torch.randn(1, len(plan.labels), channels, round(plan.recipe.segment_seconds * rate))
    owners = np.zeros((1, len(plan.labels)), int)
    training = Unrolled(network, lambda step: Batch(noise, owners), plan.recipe)
    start, steps = training.start, plan.recipe.steps
    check_differentiable(training, start, torch.ones(1))
    stride = stride_for(steps, start.bytes, int(memory_gib * GIB))
    kept = -(-steps // stride) + (stride if stride > 1 else 1)
    audio = in_memory.bytes_of(plan.stems, rate, channels)
    return Needs(start.parameters.numel(), audio, kept * start.bytes, stride, tuple(left_out(training)))


def asked(context: Context, reference: Iterable[Stem]) -> Drawn:
    """The segments of the reference whose loss counts."""
    reference = list(reference)
    return Drawn(reference, context.segments_of(reference))


def halves(reference: Iterable[Stem]) -> tuple[list[Stem], list[Stem]]:
    """The reference in two, by track: one that is descended on, one that judges. Raises ``BadInput`` for a single track."""
    tracks = tracks_of(reference)
    if len(tracks) < 2:
        raise BadInput(
            f"the reference has {len(tracks)} tracks: give two or more, one to descend on and one that judges"
        )
    order = sorted(tracks, key=lambda name: (stable_hash(name), name))
    first, second = ([stem for name in order[k::2] for stem in tracks[name].values()] for k in range(2))
    return first, second
