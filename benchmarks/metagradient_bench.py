"""What the benchmarks of the metagradient share: a tiny corpus in memory, and trainings on it as functions of weights."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from raysep import config as settings
from raysep.corpus import benchmark, manifest, truth
from raysep.corpus.layouts import stems_of
from raysep.corpus.reading import read_stem
from raysep.separators import registry
from raysep.training.network import network_arguments
from raysep.training.pool import SegmentPool
from raysep.training.unrolled import Batch, Unrolled

RATE, CHANNELS = 16_000, 2
CROPS = 4  # of each stem, for what reads it at the end point


@dataclass
class Bench:
    """The corpus in memory, and one training's settings; stems are numbered in the order of their ids."""

    folder: str
    config: settings.Config
    part: str = "train"  # or "clean": the same stems without faults
    ids: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    tracks: list[str] = field(default_factory=list)
    audio: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        stems = sorted(stems_of(f"{self.folder}/{self.part}", split=self.part).stems, key=lambda stem: stem.stem_id)
        self.ids, self.tracks = [s.stem_id for s in stems], [s.track for s in stems]
        self.labels, self.audio = [s.stem for s in stems], [read_stem(s, RATE, CHANNELS) for s in stems]

    @property
    def frames(self) -> int:
        return round(self.config.training.segment_seconds * RATE)

    def segments(self, part: str, chosen: slice = slice(None), batch: int = 8) -> list[tuple[Tensor, Tensor]]:
        """Three segments of every track of a part, or of some ``chosen`` of them, as mixtures and targets."""
        found = []
        tracks = manifest.tracks_of(stems_of(f"{self.folder}/{part}", split=part).stems)
        for parts in [tracks[name] for name in sorted(tracks)][chosen]:
            whole = [read_stem(parts[label], RATE, CHANNELS) for label in self.config.labels]
            for place in (0.2, 0.5, 0.8):
                start = int(place * (min(x.shape[1] for x in whole) - self.frames))
                found.append(np.stack([x[:, start : start + self.frames] for x in whole]))
        return [(part.sum(dim=1), part) for part in torch.from_numpy(np.stack(found)).split(batch)]

    def training(self, seed: int, odds: np.ndarray | None = None, whole_example: bool = False) -> Unrolled:
        """With a seed, on all stems alike or on each as often as ``odds`` says, ``(stem,)``; ``whole_example`` as of ``Unrolled``."""
        pool = SegmentPool(self.config.labels, 2**40)
        for number, stem_id in enumerate(self.ids):
            weight = 1.0 if odds is None else float(odds[number])
            pool.add(stem_id, 0, self.labels[number], self.audio[number], weight, self.tracks[number])
        recipe = settings.recipe_of(self.config.training, self.config.training.steps, seed=seed, validate_every=0)
        place = {stem_id: number for number, stem_id in enumerate(self.ids)}

        def draw(step: int) -> Batch:
            targets, names = pool.draw_named(recipe.batch, self.frames, step, seed)
            return Batch(targets, np.array([[place[name] for name in example] for example in names]))

        torch.manual_seed(seed)
        network = registry.build(self.config.network.model, **network_arguments(self.config, RATE, CHANNELS))
        first = np.concatenate([draw(recipe.steps + k).targets for k in range(8)])
        network.set_input_statistics(torch.from_numpy(first.sum(axis=1)))
        return Unrolled(network, draw, recipe, whole_example)

    def crops(self) -> list[Tensor]:
        """Of every track, targets ``(crop, stem, channel, time)`` in its own mixture."""
        found = []
        for track in sorted(set(self.tracks)):
            own = {self.labels[k]: self.audio[k] for k, name in enumerate(self.tracks) if name == track}
            starts = np.linspace(0, min(x.shape[1] for x in own.values()) - self.frames, CROPS).astype(int)
            found.append(
                torch.from_numpy(
                    np.stack([[own[label][:, s : s + self.frames] for label in self.config.labels] for s in starts])
                )
            )
        return found


def parser(words: str | None, work: str) -> argparse.ArgumentParser:
    """The options that the benchmarks share."""
    made = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--work", default=work, help="folder of the corpus and what was done")
    made.add_argument("--out", default="docs/results", help="folder of the page and the figures")
    made.add_argument("--condition", default="label-noise")
    made.add_argument("--draw", type=int, default=1, help="seed of the corpus")
    made.add_argument("--steps", type=int, default=200)
    made.add_argument("--hidden", type=int, default=24)
    made.add_argument("--batch", type=int, default=4)
    made.add_argument("--learning-rate", type=float, default=3e-3)
    made.add_argument("--eps-root", type=float, default=1e-4)
    return made


def config_of(options: argparse.Namespace) -> settings.Config:
    """Small enough that a training takes some seconds."""
    training = {
        "steps": options.steps,
        "batch": options.batch,
        "segment_seconds": 0.75,
        "learning_rate": options.learning_rate,
        "eps_root": options.eps_root,
    }
    network = {"hidden": options.hidden, "arguments": {"n_fft": 512, "hop": 256}}
    return settings.preset("tiny", {"network": network, "training": training})


def corpus_of(options: argparse.Namespace) -> str:
    """The folder of the condition's tiny corpus, made unless it is there."""
    folder = Path(options.work).absolute() / f"bench-{options.condition}-{options.draw}"
    if not (folder / benchmark.NOTE).exists():
        benchmark.make_corpus(str(folder), "tiny", options.draw, condition=options.condition)
    return str(folder)


def kinds_of(bench: Bench) -> np.ndarray:
    """The fault of each stem, or "clean": ``(stem,)``."""
    rows = {row["stem_id"]: row["kind"] for row in truth.read(f"{bench.folder}/truth.parquet")}
    return np.array([rows[stem_id] for stem_id in bench.ids])


class Record(dict[str, Any]):
    """What was done so far, in a JSON file: a benchmark that is started again goes on with it."""

    def __init__(self, file: Path, config: settings.Config) -> None:
        super().__init__(json.loads(file.read_text()) if file.exists() else {"settings": settings.to_dict(config)})
        self.file = file
        if self["settings"] != settings.to_dict(config):
            raise SystemExit(f"{file}: holds what was done with other settings; give another --work")

    def keep(self, key: str, value: Any) -> None:
        self[key] = value
        aside = self.file.with_suffix(".tmp")
        aside.write_text(json.dumps(self))
        aside.replace(self.file)
