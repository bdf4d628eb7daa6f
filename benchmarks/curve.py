"""Can a corpus tell good cleaning from bad? SDR against the number of clean songs, and what each condition costs.

    raysep benchmark corpus bench/label-noise --size tiny --condition label-noise --seed 1
    raysep benchmark corpus bench/mixed --size tiny --condition mixed --seed 1
    python -m benchmarks.curve bench/label-noise bench/mixed --songs 10 30 60 --seeds 3 --out runs/curve

Separators are trained alike (recipe of the preset `tiny`, equal steps, the same seeds) on the first N clean songs, on the
reference alone, and on the contaminated songs of every corpus given; all are judged on the same test songs. The corpora must
be of one size and seed, so that their clean songs are the same. A corpus is *data-limited* when SDR rises with N and the
reference alone stays below; it is *harmed* when clean - contaminated is at least five times its deviation between seeds.
Trainings that are done are kept in OUT/trainings.jsonl: the same command goes on where a killed one ended.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import results
from raysep import config as settings
from raysep.corpus import benchmark
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.evaluation.compare import compare
from raysep.evaluation.gate import gate
from raysep.evaluation.table import STEMS, grid


@dataclass(frozen=True)
class Job:
    model: str  # a name for what it is trained on
    folder: str
    songs: int | None  # the first so many; None for all
    seed: int
    test: str


def jobs_of(corpora: Sequence[str], songs: Sequence[int], seeds: int) -> list[Job]:
    """A seed after the other, so that what is there after a break can be compared."""
    first = benchmark.places_in(corpora[0])
    kinds: list[tuple[str, str, int | None]] = [(f"clean {n}", first.clean, n) for n in sorted(songs)]
    kinds.append(("reference", first.reference, None))
    for corpus in corpora:
        places = benchmark.places_in(corpus)
        kinds.append((str(benchmark.note_of(corpus)["condition"]), places.train, None))
    return [Job(name, folder, count, seed, first.test) for seed in range(seeds) for name, folder, count in kinds]


def stems_for(job: Job) -> list[Stem]:
    stems = stems_of(job.folder).stems
    return benchmark.first_songs(stems, job.songs) if job.songs else stems


def train(job: Job, overrides: dict[str, Any], steps: int) -> list[dict[str, Any]]:
    """One training on one thread; SDR of every test song and stem."""
    import torch

    from raysep.commands.benchmark.harm_worker import HarmTrainer
    from raysep.corpus import manifest

    torch.set_num_threads(1)
    config = settings.preset("tiny", settings.merge({"training": {"steps": steps, "threads": 1}}, overrides))
    stems, test = stems_for(job), stems_of(job.test).stems
    worker = HarmTrainer(
        root="", fingerprint="", threads=1, sample_rate=stems[0].sample_rate, channels=stems[0].channels, config=config
    )
    network, state, _ = worker.trained(stems, worker.seed("curve", job.seed))
    rows = []
    with state.ema.applied(network):
        for track, members in manifest.tracks_of(test).items():
            for label, sdr in worker.judged(network, members).items():
                rows.append({"model": job.model, "seed": job.seed, "track": track, "stem": label, "sdr": sdr})
    return rows


def run(jobs: Iterable[Job], overrides: dict[str, Any], steps: int, out: Path, workers: int) -> list[dict[str, Any]]:
    """The rows of all trainings; only those that are missing are run."""
    book = out / "trainings.jsonl"
    lines = [json.loads(line) for line in book.read_text().splitlines()] if book.is_file() else []
    done = {(line["model"], line["seed"]): line["rows"] for line in lines if line["steps"] == steps}
    missing = [job for job in jobs if (job.model, job.seed) not in done]
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(train, job, overrides, steps): job for job in missing}
        for future in as_completed(futures):
            job = futures[future]
            done[job.model, job.seed] = future.result()
            with book.open("a") as file:
                line = {"model": job.model, "seed": job.seed, "steps": steps, "rows": done[job.model, job.seed]}
                file.write(json.dumps(line) + "\n")
            values = [row["sdr"] for row in done[job.model, job.seed]]
            print(f"{job.model}, seed {job.seed}: {sum(values) / len(values):.2f} dB", flush=True)
    return [row for rows in done.values() for row in rows]


def page(rows: list[dict[str, Any]], conditions: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Markdown and figures: every training set against all the clean songs, and the gate of every condition."""
    found = dict.fromkeys(row["model"] for row in rows)
    songs = sorted((m for m in found if m.startswith("clean ")), key=lambda name: int(name.split()[1]))
    models = [*songs, *(m for m in found if m not in songs)]
    most = songs[-1]
    lines = [
        "| trained on | SDR dB | below all the clean songs | 95 % interval | deviation between seeds |",
        "|---|---:|---:|---:|---:|",
    ]
    figures: dict[str, Any] = {}
    whole = grid(rows, most, "sdr")
    for model in models:
        mine = grid(rows, model, "sdr").on(whole.tracks, whole.stems)
        sdr = float(np.nanmean(mine))
        if model == most:
            lines.append(f"| {model} songs | {sdr:.2f} | | | |")
            figures[model] = {"sdr": sdr}
            continue
        difference = next(c for c in compare(rows, most, model, ("sdr",)) if c.stem == STEMS).difference
        judged = gate(whole.values, mine)
        name = f"{model} songs" if model.startswith("clean") else model
        lines.append(
            f"| {name} | {sdr:.2f} | {difference.estimate:.2f} | {difference.low:.2f} to {difference.high:.2f} | {_decimal(judged.deviation)} |"
        )
        figures[model] = {
            "sdr": sdr, "below": difference.estimate, "low": difference.low, "high": difference.high,
            "deviation": judged.deviation, "gate": judged.passed,
        }  # fmt: skip
    notes = [
        f"- {name}: {gate(whole.values, grid(rows, name, 'sdr').on(whole.tracks, whole.stems)).words}."
        for name in conditions
    ]
    return "\n".join([*lines, "", *notes]), figures


def _decimal(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpora", nargs="+", help="of `raysep benchmark corpus`, all of one size and seed")
    parser.add_argument("--songs", type=int, nargs="+", default=[10, 30, 60])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the preset `tiny`"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", required=True)
    parser.add_argument("--results", help="folder for NAME.md and NAME.json; without it the table is printed")
    parser.add_argument("--name", default="songs")
    given = parser.parse_args(arguments)
    from raysep.overrides import merge, parse_assignment

    overrides: dict[str, Any] = {}
    for text in given.set:
        overrides = merge(overrides, parse_assignment(text))
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    jobs = jobs_of(given.corpora, given.songs, given.seeds)
    rows = run(jobs, overrides, given.steps, out, given.workers)
    wanted = {(job.model, job.seed) for job in jobs}
    rows = [row for row in rows if (row["model"], row["seed"]) in wanted]
    conditions = [str(benchmark.note_of(corpus)["condition"]) for corpus in given.corpora]
    text, figures = page(rows, conditions)
    print(text)
    if given.results:
        command = f"python -m benchmarks.curve {' '.join(given.corpora)} --songs {' '.join(map(str, given.songs))} --seeds {given.seeds}"
        note = benchmark.note_of(given.corpora[0])
        about = (
            f"{given.steps} steps, {given.seeds} seed{'s' * (given.seeds > 1)}, one thread a training; corpora of seed {note['seed']}: "
            f"{note['train']} songs of {note['seconds']:g} s at {note['sample_rate']} Hz, {note['reference']} reference and "
            f"{note['test']} test songs"
        )
        results.write(
            given.results,
            given.name,
            "What the number of songs and each condition are worth",
            command,
            about,
            text,
            figures,
        )


if __name__ == "__main__":
    main()
