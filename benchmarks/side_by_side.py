"""Trainings side by side against one after another: wall seconds of the same trainings, and whether they come out the same.

    python -m benchmarks.side_by_side --out docs/results

Every case is a number of trainings of so many steps of the tiny preset's network, with its batch and its segments, of songs of
noise (what is heard changes no speed), on a Ray of two CPUs that has run a training before. Both ways take turns, round after
round. The last case is the shortest stage that the default, 0, deals to two groups.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import write
from raysep import config as settings

RATE, SONGS, SECONDS = 16_000, 24, 30.0
WAYS = {1: "one after another", 2: "side by side"}
CASES = ("4x200", "4x600", "2x200")  # trainings x steps


def write_songs(folder: Path, seed: int) -> None:
    """``song-NN/STEM.wav``: 16-bit stereo noise."""
    import soundfile

    rng = np.random.default_rng(seed)
    for song in range(SONGS):
        (folder / f"song-{song:02d}").mkdir(parents=True)
        for stem in settings.LABELS:
            noise = rng.integers(-8000, 8000, (round(SECONDS * RATE), 2), dtype=np.int16)
            soundfile.write(folder / f"song-{song:02d}" / f"{stem}.wav", noise, RATE, subtype="PCM_16")


def plans_in(folder: Path, songs: Path, count: int, steps: int) -> list[Any]:
    """Trainings that differ in their seeds."""
    from raysep.corpus.layouts import stems_of
    from raysep.training.entry import whole
    from raysep.training.network import network_arguments
    from raysep.training.plan import Plan

    config = settings.preset("tiny")
    entries = tuple(sorted(whole(stems_of(str(songs), config.labels).stems)))
    return [
        Plan(
            name=f"seed{seed}",
            stems=entries,
            model=config.network.model,
            arguments=network_arguments(config, RATE, 2),
            recipe=settings.recipe_of(config.training, steps, seed=seed, save_steps=()),
            out=str(folder / f"seed{seed}.safetensors"),
            labels=config.labels,
        )
        for seed in range(count)
    ]


def seconds(folder: Path, plans: list[Any], asked: int, available: Any) -> float:
    """Wall seconds of the plans, from nothing to the last checkpoint."""
    from raysep.cluster import fit, side_by_side

    training = settings.preset("tiny").training
    group = fit.Group(training.workers, training.threads, training.memory_gib, str(folder / "states"), "trainings")
    begin = time.perf_counter()
    side_by_side.train(plans, group, asked, available, lambda *far, **more: None, print)
    return time.perf_counter() - begin


def weights(plans: list[Any]) -> list[dict[str, Any]]:
    from raysep.separators import checkpoint

    return [checkpoint.from_bytes(Path(plan.out).read_bytes(), plan.name).weights for plan in plans]


def equal(some: list[dict[str, Any]], others: list[dict[str, Any]]) -> bool:
    """Every weight of every training, bit for bit."""
    return all(
        one.keys() == other.keys() and all(bool((other[name] == value).all()) for name, value in one.items())
        for one, other in zip(some, others, strict=True)
    )


def measured(case: str, rounds: int, songs: Path, scratch: Path, available: Any) -> dict[str, Any]:
    from raysep.cluster import fit, side_by_side

    count, steps = map(int, case.split("x"))
    training = settings.preset("tiny").training
    found: dict[int, list[float]] = {asked: [] for asked in WAYS}
    same = True
    for number in range(rounds):
        trained = []
        for asked in WAYS:
            folder = scratch / f"{case}-{number}-{asked}"
            plans = plans_in(folder, songs, count, steps)
            found[asked].append(seconds(folder, plans, asked, available))
            print(f"{case}, round {number + 1}, {WAYS[asked]}: {found[asked][-1]:.1f} s", flush=True)
            trained.append(weights(plans))
        same = same and equal(*trained)
    group = fit.Group(training.workers, training.threads, training.memory_gib, str(scratch), "trainings")
    chosen = side_by_side.how_many(plans_in(scratch, songs, count, steps), group, 0)
    return {"trainings": count, "steps": steps, "seconds": found, "same": same, "groups_by_default": chosen}


def report(cases: list[dict[str, Any]]) -> str:
    lines = [
        "| trainings | one after another, s | side by side, s | saved | same networks, bit for bit | groups by default |",
        "|---|---:|---:|---:|---|---:|",
    ]
    for case in cases:
        one, two = (statistics.median(case["seconds"][asked]) for asked in WAYS)
        told = [f"{', '.join(f'{each:.1f}' for each in case['seconds'][asked])}" for asked in WAYS]
        lines.append(
            f"| {case['trainings']} of {case['steps']} steps | {told[0]} | {told[1]} | **{1 - two / one:.0%}** "
            f"| {'yes' if case['same'] else 'no'} | {case['groups_by_default']} |"
        )
    return "\n".join([*lines, "", "Seconds round by round; what is saved is of the medians."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results", help="folder that side-by-side.md and .json are written to")
    parser.add_argument("--cases", nargs="+", default=list(CASES), help="TRAININGSxSTEPS")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    from raysep.cluster import session

    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, session.session("local", cpus=2) as available:
        songs, scratch = Path(folder) / "songs", Path(folder) / "runs"
        write_songs(songs, options.seed)
        seconds(scratch / "warm", plans_in(scratch / "warm", songs, 1, 5), 1, available)
        cases = [measured(case, options.rounds, songs, scratch, available) for case in options.cases]
    training = settings.preset("tiny").training
    command = f"python -m benchmarks.side_by_side --cases {' '.join(options.cases)} --rounds {options.rounds}"
    about = (
        f"batch {training.batch}, segments of {training.segment_seconds:g} s, {RATE // 1000} kHz, stereo, "
        f"{training.workers} workers, seed {options.seed}, {time.perf_counter() - begin:.0f} s"
    )
    page = report(cases)
    write(options.out, "side-by-side", "Trainings side by side", command, about, page, {"cases": cases})
    print(page)


if __name__ == "__main__":
    main()
