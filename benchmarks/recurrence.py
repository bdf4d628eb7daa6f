"""What a metagradient costs, in trainings, with the recurrence's derivatives written out and with autograd's.

    python -m benchmarks.recurrence --out docs/results

A step of training and a step back through it, of the `openunmix-joint` network on noise, in turns; the least processor's time of
some rounds. One thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.results import write
from raysep import config as settings
from raysep.probes.metagradient import Adjoint, pulled_back
from raysep.separators import recurrence, registry
from raysep.training.unrolled import Batch, State, Unrolled

RATE, STEMS = 16_000, ("vocals", "drums", "bass", "other")
SIZES = ((24, 8, 0.75, 512), (96, 8, 1.5, 1024))  # units, examples, seconds of each, samples of the transform
ROUNDS, WARM = 50, 3


def training_of(hidden: int, batch: int, seconds: float, n_fft: int) -> Unrolled:
    torch.manual_seed(0)
    network = registry.build(
        "openunmix-joint", stems=STEMS, sample_rate=RATE, n_fft=n_fft, hop=n_fft // 2, hidden=hidden
    )
    targets = 0.1 * torch.randn(batch, len(STEMS), 2, round(seconds * RATE))
    owners = np.arange(batch * len(STEMS)).reshape(batch, -1)
    config = settings.preset("tiny", {"training": {"eps_root": 1e-3, "batch": batch, "segment_seconds": seconds}})
    recipe = settings.recipe_of(config.training, config.training.steps, seed=0, validate_every=0)
    return Unrolled(network, lambda step: Batch(targets, owners), recipe)


def seconds_of(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def measured(training: Unrolled) -> dict[str, float]:
    """Seconds of the processor: a step, and a step back by each of the two."""
    weights = torch.ones(training.batch(0)[1].size)
    *_, state = training.states(weights, stop=WARM)
    adjoint = random_adjoint(state)

    def back() -> object:
        return pulled_back(training, state, weights, adjoint)

    found: dict[str, list[float]] = {"step": [], "written out": [], "autograd": []}
    for _ in range(ROUNDS):
        found["step"].append(seconds_of(lambda: training.next(state, weights)))
        found["written out"].append(seconds_of(back))
        with patch.object(recurrence, "lstm", recurrence.by_operations):
            found["autograd"].append(seconds_of(back))
    return {name: min(each) for name, each in found.items()}


def random_adjoint(state: State) -> Adjoint:
    parts = (state.parameters, state.first, state.second, state.average, state.statistics)
    return Adjoint(*(torch.randn_like(part)[None] for part in parts))


def main() -> None:
    options_of = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options_of.add_argument("--out", default="docs/results")
    options = options_of.parse_args()
    torch.set_num_threads(1)
    rows = [
        {"units": size[0], "examples": size[1], "seconds": size[2], **measured(training_of(*size))} for size in SIZES
    ]
    lines = [
        "| units | examples | step, ms | back by autograd, ms | back, written out, ms | metagradient, trainings: autograd | written out |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        step, old, new = (row[name] for name in ("step", "autograd", "written out"))
        lines.append(
            f"| {row['units']} | {row['examples']} of {row['seconds']:g} s | {1000 * step:.1f} | {1000 * old:.1f} | {1000 * new:.1f} | "
            f"{1 + old / step:.1f} | **{1 + new / step:.1f}** |"
        )
    words = "\n".join(lines)
    about = f"least of {ROUNDS} rounds in turns, one thread"
    write(
        options.out,
        "recurrence",
        "What a metagradient costs",
        "python -m benchmarks.recurrence",
        about,
        words,
        {"rows": rows},
    )
    print(words)


if __name__ == "__main__":
    main()
