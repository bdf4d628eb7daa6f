"""Training throughput: raysep's core against the openunmix package's own loader and loop, and against a bare loop.

    python -m benchmarks.training --out docs/results

Every contender trains the published Open-Unmix network of one target on the same WAV files (written to a temporary
folder: noise, since what is heard changes no speed), in a process of its own, round after round in turns, so that a
machine that slows down slows all. The first steps are thrown away. raysep and the bare loop run with the allocator
settings that raysep gives its training workers; the package runs as its users run it, and once more with these settings,
to show what they bring.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.results import write
from benchmarks.training_contenders import CONTENDERS, RATE, STEMS, Task
from raysep.cluster.session import ALLOCATOR

WARM = 3  # steps in which memory is asked for the first time
TUNED = "with raysep's allocator settings"
PACKAGE, OURS, BARE = "package", "raysep", "bare"
DEMANDED = {PACKAGE: 1.5, BARE: 0.85}  # of raysep's segments per second, relative to theirs


def write_songs(folder: Path, songs: int, seconds: float, seed: int) -> None:
    """``train/song-NN/STEM.wav``: 16-bit stereo noise."""
    import soundfile

    rng = np.random.default_rng(seed)
    for song in range(songs):
        target = folder / "train" / f"song-{song:02d}"
        target.mkdir(parents=True)
        for stem in STEMS:
            noise = rng.integers(-8000, 8000, (round(seconds * RATE), 2), dtype=np.int16)
            soundfile.write(target / f"{stem}.wav", noise, RATE, subtype="PCM_16")


def entrants(with_package: bool) -> Iterator[tuple[str, str, bool]]:
    """(name in the table, contender, with the allocator settings)."""
    for name in CONTENDERS:
        if name.startswith(PACKAGE):
            if with_package:
                yield name, name, False
        else:
            yield name, name, True
    if with_package:
        yield f"{PACKAGE}, {TUNED}", PACKAGE, True


def measured(task: Task, rounds: int, with_package: bool) -> dict[str, list[float]]:
    """Segments per second of each entrant in each round."""
    found: dict[str, list[float]] = {name: [] for name, *_ in entrants(with_package)}
    for number in range(rounds):
        for name, contender, tuned in entrants(with_package):
            steps = timed(task, contender, tuned)[WARM:]
            found[name].append(task.batch / statistics.mean(steps))
            print(f"hidden {task.hidden}, round {number + 1}: {name}: {found[name][-1]:.2f} segments/s", flush=True)
    return found


def timed(task: Task, contender: str, tuned: bool) -> list[float]:
    """Seconds of each step, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k not in ALLOCATOR} | (ALLOCATOR if tuned else {})
    command = [
        sys.executable,
        "-m",
        "benchmarks.training",
        "--contender",
        contender,
        "--task",
        json.dumps(asdict(task)),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{contender} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def ratios(found: dict[str, list[float]]) -> dict[str, list[float]]:
    """raysep's segments per second over the faster of the package's loaders, and over the bare loop's, by round."""
    result = {BARE: [ours / bare for ours, bare in zip(found[OURS], found[BARE], strict=True)]}
    loaders = [rates for name, rates in found.items() if name.startswith(PACKAGE) and TUNED not in name]
    if loaders:
        best = max(loaders, key=statistics.median)
        result[PACKAGE] = [ours / theirs for ours, theirs in zip(found[OURS], best, strict=True)]
    return result


def report(result: dict) -> str:
    lines = []
    for case in result["cases"]:
        task = case["task"]
        lines += [
            f"## Hidden size {task['hidden']}{' (as published)' if task['hidden'] == 512 else ''}, batch {task['batch']}, "
            f"segments of {task['seconds']:g} s, stereo, 44.1 kHz",
            "",
            "| | segments/s, median of rounds | lowest … highest |",
            "|---|---:|---:|",
        ]
        for name, rates in case["segments_per_second"].items():
            lines.append(f"| {name} | {statistics.median(rates):.2f} | {min(rates):.2f} … {max(rates):.2f} |")
        lines.append("")
        for name, values in case["ratios"].items():
            lines.append(
                f"raysep / {name if name != PACKAGE else 'package (its faster loader)'}: "
                f"**{statistics.median(values):.2f}** ({min(values):.2f} … {max(values):.2f}), demanded {DEMANDED[name]}."
            )
            lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", default="docs/results", help="folder that training.md and training.json are written to"
    )
    parser.add_argument(
        "--hidden", type=int, nargs="+", default=[512, 128], help="sizes of the network; 512 is published"
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=6.0, help="of a segment")
    parser.add_argument(
        "--steps", type=int, default=9, help=f"of a contender in a round; the first {WARM} do not count"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--songs", type=int, default=48, help="an epoch of the package has so many segments")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--without-package", action="store_true", help="leave the openunmix package out")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        print(json.dumps(CONTENDERS[options.contender](Task(**json.loads(options.task))).steps))
        return
    begin, cases = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        write_songs(Path(folder), options.songs, 3 * options.seconds, options.seed)
        for hidden in options.hidden:
            task = Task(folder, hidden, options.batch, options.seconds, options.steps, options.seed, options.device)
            found = measured(task, options.rounds, not options.without_package)
            about = {key: value for key, value in asdict(task).items() if key != "songs"}
            cases.append({"task": about, "segments_per_second": found, "ratios": ratios(found)})
    import torch

    result = {"cases": cases, "rounds": options.rounds, "allocator": ALLOCATOR}
    command = f"python -m benchmarks.training --hidden {' '.join(map(str, options.hidden))} --rounds {options.rounds}"
    package = "without the package" if options.without_package else f"openunmix {version('openunmix')}"
    about = (
        f"{torch.get_num_threads()} torch threads, seed {options.seed}, {package}, {time.perf_counter() - begin:.0f} s"
    )
    write(options.out, "training", "Training throughput", command, about, report(result), result)
    print(report(result))


if __name__ == "__main__":
    main()
