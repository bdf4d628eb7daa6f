"""A small training as a function of its stems' weights, for the tests of the metagradient and what it rests on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from raysep.probes.metagradient import Query, reference_query
from raysep.separators import registry
from raysep.training.norms import fix_statistics
from raysep.training.recipe import Recipe
from raysep.training.unrolled import Batch, Unrolled

TRACKS = 6  # of two labels: stem i of the first label is number i, of the second TRACKS + i


def make(
    small_arguments: Callable[[str], dict[str, Any]],
    name: str = "openunmix-joint",
    dtype: torch.dtype = torch.float64,
    whole_example: bool = False,
    fixed_statistics: bool = False,
    by_label: bool = True,
    **changes: Any,
) -> tuple[Unrolled, Query]:
    """With the query, the loss of each label on a reference of its own; ``changes`` are the recipe's."""
    rng = np.random.default_rng(3)
    songs = torch.from_numpy(rng.normal(size=(TRACKS + 4, 2, 1, 2400)) * rng.uniform(0.05, 0.3, (TRACKS + 4, 2, 1, 1)))
    songs = songs.to(dtype)
    torch.manual_seed(0)
    network = registry.build(name, stems=("low", "high"), sample_rate=4000, channels=1, **small_arguments(name))
    network = network.to(dtype)
    network.set_input_statistics(songs.sum(1))
    fix_statistics(network, songs.sum(1))

    def draw(step: int) -> Batch:
        rng = np.random.default_rng([5, step])
        chosen, place = rng.integers(0, TRACKS, (3, 2)), int(rng.integers(0, 1200))
        return Batch(songs[chosen, [0, 1]][..., place : place + 1200], chosen + np.array([0, TRACKS]))

    values = {"steps": 6, "learning_rate": 1e-3, "warmup": 2, "eps_root": 1e-6, "augment": ("gain", "remix")} | changes
    recipe = Recipe(batch=3, segment_seconds=0.3, seed=1, **values)
    batches = [(part.sum(1), part) for part in songs[TRACKS:, ..., :1200].split(2)]
    training = Unrolled(network, draw, recipe, whole_example, fixed_statistics)
    return training, reference_query(training, batches, by_label)
