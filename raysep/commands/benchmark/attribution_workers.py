"""What the workers of `raysep benchmark attribution` do: train separators, score by them, train others on subsets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysep import config as settings
from raysep.corpus import manifest
from raysep.corpus.hashing import stable_hash
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_segments
from raysep.corpus.segments import Drawn
from raysep.outcome import Outcome
from raysep.rundir import Run, table_bytes
from raysep.stages import attribute, train
from raysep.stages.passes import AudioWorker, Counts
from raysep.training.network import load_network, network_arguments

if TYPE_CHECKING:
    from raysep.separators.base import Separator
    from raysep.training.loop import TrainingState
    from raysep.training.pool import SegmentPool
    from raysep.training.recipe import Recipe
    from raysep.training.unrolled import Unrolled

Draw = Callable[[int], np.ndarray]  # step → (batch, stem, channel, time)
METHODS = ("influence", "unlearning", "loss", "influence-relative", "unlearning-relative", "own-loss")  # probes' names
METAGRADIENT = "metagradient"  # minus it: higher = better to train on, as a score is
WEIGHTS = TRAINED, RANDOM = "trained", "random"
STATISTICS_BATCHES = 8
SCORES = pa.schema(
    [("base", pa.int32())]
    + [(name, pa.string()) for name in ("weights", "stem_id", "track", "stem")]
    + [(name, pa.float64()) for name in METHODS]  # mean over audible segments; null where there is none
)
METAGRADIENTS = pa.schema(
    [("base", pa.int32()), ("stem_id", pa.string())]
    # Of each base: found over foretold by the gate, growth of the adjoint, cost in trainings.
    + [(name, pa.float64()) for name in (METAGRADIENT, "ratio", "growth", "cost")]
)
LOSSES = pa.schema([("subset", pa.int32()), ("seed", pa.int32()), ("stem", pa.string()), ("loss", pa.float64())])


def name_of(base: int, weights: str) -> str:
    return f"seed{base}" if weights == TRAINED else f"seed{base}-{weights}"


def folder_of(run: Run, base: int, weights: str) -> str:
    """Where a base and what the attribution makes of it lie."""
    return run.path("bases", name_of(base, weights))


@dataclass(frozen=True)
class Base:
    """A separator to be trained on all tracks."""

    number: int
    stems: list[Stem]


@dataclass(frozen=True)
class ToScore:
    """Stems to be scored by a base with its own weights, or with random ones."""

    base: int
    weights: str
    stems: list[Stem]
    reference: Drawn  # clean partners


@dataclass(frozen=True)
class ToTrace:
    """A base whose training the loss on the reference is to be traced back through."""

    base: int
    stems: list[Stem]
    reference: Drawn


@dataclass(frozen=True)
class Subset:
    """A part of the corpus to be trained on, and the reference that says what it was worth."""

    number: int
    seed: int
    stems: list[Stem]
    reference: Drawn


class TrainingWorker(AudioWorker):
    """Trains separators in memory."""

    exact = True

    def seed(self, *names: Any) -> int:
        """Of a training: not the same for a base and a subset, and for all subsets the same ones."""
        return stable_hash("/".join(map(str, (self.config.seed, *names)))) % 2**31

    def pool(self, stems: list[Stem]) -> SegmentPool:
        from raysep.corpus.reading import read_stem
        from raysep.training.pool import SegmentPool

        pool = SegmentPool(self.config.labels, 2**40)
        for stem in stems:
            pool.add(stem.stem_id, 0, stem.stem, read_stem(stem, self.sample_rate, self.channels), track=stem.track)
        return pool

    def read(self, reference: Drawn, labels: tuple[str, ...]) -> tuple[np.ndarray, dict[str, str]]:
        """The chosen segments of the reference, and which stems could not be read: as ``read_segments`` gives them."""
        scoring = self.config.scoring
        length = round(scoring.segment_seconds * self.sample_rate)
        return read_segments(reference, labels, self.sample_rate, self.channels, length, scoring.most_segments)

    def untrained(self, draw: Draw, seed: int) -> Separator:
        """A new network, whose input is standardised to what it is going to hear."""
        import torch

        from raysep.separators import registry

        torch.manual_seed(seed)
        arguments = network_arguments(self.config, self.sample_rate, self.channels)
        network = registry.build(self.config.network.model, **arguments)
        # Steps after the last: training does not see these.
        first = np.concatenate([draw(self.config.training.steps + k) for k in range(STATISTICS_BATCHES)])
        network.set_input_statistics(torch.from_numpy(first.sum(axis=1)))
        return network

    def trained(self, stems: list[Stem], seed: int) -> tuple[Separator, TrainingState, Draw]:
        """(network, state of its training, draw): trained on these stems by the settings."""
        return self.trained_on(self.pool(stems), seed)

    def trained_on(self, pool: SegmentPool, seed: int) -> tuple[Separator, TrainingState, Draw]:
        """The same of audio that was read already."""
        from raysep.training import loop

        recipe, frames = self.recipe(seed)

        def draw(step: int) -> np.ndarray:
            return pool.draw(recipe.batch, frames, step, seed)

        network = self.untrained(draw, seed)
        return network, loop.train(network, draw, recipe), draw

    def losses(self, network: Separator, state: TrainingState, judge: Drawn) -> list[float]:
        """The loss of each label on what judges, by the averaged weights."""
        import torch

        from raysep.probes.losses import losses_of

        heard = torch.from_numpy(self.read(judge, network.stems)[0])
        with state.ema.applied(network):
            return losses_of(network, heard.sum(dim=1), heard, self.config.scoring.batch).mean(dim=0).tolist()

    def recipe(self, seed: int) -> tuple[Recipe, int]:
        """(recipe, samples of an example) of every training."""
        training = self.config.training
        recipe = settings.recipe_of(training, training.steps, seed=seed, validate_every=0)
        return recipe, round(recipe.segment_seconds * self.sample_rate)

    def unrolled(self, stems: list[Stem], seed: int) -> Unrolled:
        """What ``trained`` does with these stems, as a function of their weights: ``(stem,)``, in this order."""
        from raysep.training.unrolled import Batch, Unrolled

        pool, (recipe, frames) = self.pool(stems), self.recipe(seed)
        place = {stem.stem_id: number for number, stem in enumerate(stems)}

        def draw(step: int) -> Batch:
            targets, names = pool.draw_named(recipe.batch, frames, step, seed)
            return Batch(targets, np.array([[place[name] for name in example] for example in names]))

        return Unrolled(self.untrained(lambda step: pool.draw(recipe.batch, frames, step, seed), seed), draw, recipe)


class BaseTrainer(TrainingWorker):
    """A separator of all tracks, and one with weights that were never trained."""

    def run(self, shard: int, payload: Base) -> Counts:
        from raysep.separators import checkpoint
        from raysep.training import loop

        number, run = payload.number, self.folder
        network, state, draw = self.trained(payload.stems, self.seed("base", number))
        made = loop.to_checkpoint(state, network, metadata={"seed": self.seed("base", number)})
        other = self.untrained(draw, self.seed("random", number))
        # Adam's second moment is the trained one's: of what the attribution reads the weights alone are random.
        random = replace(made, weights=other.state_dict(), step=0)
        place = f"checkpoints/{train.FINAL}.safetensors"
        Run(folder_of(run, number, RANDOM)).write_bytes(checkpoint.to_bytes(random), place)
        part = f"bases/seed{number}/{place}"
        return self.finish("bases", shard, checkpoint.to_bytes(made), part, {"stems": len(payload.stems)})


class BaseTracer(TrainingWorker):
    """The metagradient of a base: of the same training, by the weights of its stems, and whether it can be trusted."""

    def run(self, shard: int, payload: ToTrace) -> Counts:
        import torch

        from raysep.probes.metagradient import metagradient, reference_query
        from raysep.probes.smoothness import smoothness

        training = self.unrolled(payload.stems, self.seed("base", payload.base))
        heard = torch.from_numpy(self.read(payload.reference, training.network.stems)[0])
        batches = [(part.sum(dim=1), part) for part in heard.split(self.config.scoring.batch)]
        query, ones = reference_query(training, batches), torch.ones(len(payload.stems))
        traced = metagradient(training, ones, query)
        gate = smoothness(training, ones, query, traced)
        told = {"base": payload.base, "ratio": gate.ratio, "growth": traced.growth, "cost": traced.cost}
        found = [
            {**told, "stem_id": stem.stem_id, METAGRADIENT: -float(value)}
            for stem, value in zip(payload.stems, traced.gradient[0], strict=True)
        ]
        part, table = f"metagradients/part-{shard:05d}.parquet", pa.Table.from_pylist(found, schema=METAGRADIENTS)
        return self.finish("metagradients", shard, table_bytes(table), part, {"stems": len(payload.stems)})


class BaseScorer(TrainingWorker):
    """The scores of some tracks by one set of weights, a mean over segments of each stem."""

    def run(self, shard: int, payload: ToScore) -> Counts:
        from raysep.corpus.mixing import ReferenceBank
        from raysep.corpus.reading import read_stem
        from raysep.probes.scoring import ScoringKit, ScoringOptions, score_track

        base, scoring = Run(folder_of(self.folder, payload.base, payload.weights)), self.config.scoring
        networks = {"final": load_network(base, train.FINAL)[0]}
        for name in (attribute.PLUS, attribute.MINUS, attribute.UNLEARNED):
            if base.has("attribution", f"{name}.safetensors"):
                networks[name] = load_network(base, name, "attribution")[0]
        targets, _ = self.read(payload.reference, self.config.labels)
        segments = {label: targets[:, k] for k, label in enumerate(self.config.labels)}
        options = ScoringOptions(
            segment_frames=targets.shape[-1],
            sample_rate=self.sample_rate,
            most_segments=scoring.most_segments,
            seed=self.config.seed,
            rho=scoring.rho,
            batch=scoring.batch,
        )
        kit = ScoringKit(networks, ReferenceBank(self.config.labels, segments), options)
        found = []
        for track, stems in manifest.tracks_of(payload.stems).items():
            audio = {label: read_stem(stem, self.sample_rate, self.channels) for label, stem in stems.items()}
            scored = score_track(kit, audio, track)
            about = {"base": payload.base, "weights": payload.weights, "track": track}
            for label, stem in stems.items():
                means = _means([row for row in scored if row["stem"] == label and row["outcome"] == Outcome.SCORED])
                found.append({**about, "stem_id": stem.stem_id, "stem": label, **means})
        part, table = f"scores/part-{shard:05d}.parquet", pa.Table.from_pylist(found, schema=SCORES)
        return self.finish("scores", shard, table_bytes(table), part, {"stems": len(payload.stems)})


class SubsetTrainer(TrainingWorker):
    """The loss on the reference of a separator trained on a subset, by label."""

    def run(self, shard: int, payload: Subset) -> Counts:
        network, state, _ = self.trained(payload.stems, self.seed("subset", payload.seed))
        losses = self.losses(network, state, payload.reference)
        found = [[payload.number] * len(losses), [payload.seed] * len(losses), list(network.stems), losses]
        part, table = f"losses/part-{shard:05d}.parquet", pa.table(found, schema=LOSSES)
        return self.finish("losses", shard, table_bytes(table), part, {"stems": len(payload.stems)})


def _means(rows: list[dict]) -> dict[str, float | None]:
    """The mean of every method's score over the segments ``rows`` of a stem; None where there are none."""
    values = {name: [row[name] for row in rows if math.isfinite(row.get(name, math.nan))] for name in METHODS}
    return {name: float(np.mean(each)) if each else None for name, each in values.items()}
