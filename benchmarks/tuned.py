"""Which settings of training let the metagradient foretell what leaving tracks out does?

    python -m benchmarks.tuned --work runs/tuned --condition label-noise --draw 501

For each combination of eps_root, learning rate and batch: the smoothness gate's figure, how far adjoints grow, the loss
on the reference and what it cost, of two seeds; for those named by ``--retrain`` (as ``eps_root:rate:batch``) the rank
correlation with training again, by the same draws, without random tenths of the tracks. One process of one thread; what
was done is in WORK, and the same command goes on with it.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.metagradient import left_out
from benchmarks.metagradient_bench import Bench, Record, config_of, corpus_of, parser
from benchmarks.results import write
from raysep import config as settings
from raysep.evaluation.datamodels import spearman
from raysep.probes.metagradient import metagradient, query_losses, reference_query
from raysep.probes.smoothness import smoothness

SEEDS = (0, 1)
DROP = 0.1  # of the tracks


@dataclass(frozen=True)
class Choice:
    """What is tuned."""

    eps_root: float
    learning_rate: float
    batch: int

    @classmethod
    def of(cls, words: str) -> Choice:
        root, rate, batch = words.split(":")
        return cls(float(root), float(rate), int(batch))

    @property
    def words(self) -> str:
        return f"{self.eps_root:g}:{self.learning_rate:g}:{self.batch}"

    def config(self, base: settings.Config) -> settings.Config:
        return replace(base, training=replace(base.training, **asdict(self)))


def base_of(bench: Bench, seed: int) -> dict[str, Any]:
    """The metagradient of one seed's training and the gate's verdict on it."""
    training = bench.training(seed)
    query = reference_query(training, bench.segments("reference"))
    ones = torch.ones(len(bench.ids))
    found = metagradient(training, ones, query)
    return {
        "metagradient": (-found.gradient[0]).tolist(),
        "loss": float(found.losses[0]),
        "growth": found.growth,
        "cost": found.cost,
        "gate": smoothness(training, ones, query, found).ratio,
    }


def losses_without(bench: Bench, seed: int, subsets: int, record: Record, key: str) -> tuple[np.ndarray, np.ndarray]:
    """(kept ``(subset, stem)``, loss on the reference ``(subset,)``) of the same training without random tenths."""
    training = bench.training(seed)
    query = reference_query(training, bench.segments("reference"))
    names = np.array(sorted(set(bench.tracks)))
    kept = np.array([~np.isin(bench.tracks, left_out(names, DROP, k)) for k in range(subsets)])
    losses = list(record.get(key, []))
    for weights in kept[len(losses) :]:
        losses.append(float(query_losses(training, training.end(torch.from_numpy(weights).float()), query)[0]))
        record.keep(key, losses)
    return kept, np.array(losses[:subsets])


def lds_of(bases: list[dict[str, Any]], kept: list[np.ndarray], losses: list[np.ndarray]) -> dict[str, float]:
    """Rank correlations over subsets: of a seed's sums with its own losses, and with the other seed's."""
    sums = [part.astype(float) @ np.array(base["metagradient"]) for base, part in zip(bases, kept, strict=True)]
    pairs = {"same": ((0, 0), (1, 1)), "other": ((0, 1), (1, 0))}
    found = {
        name: float(np.mean([spearman(sums[mine], -losses[theirs]) for mine, theirs in each]))
        for name, each in pairs.items()
    }
    return found | {"losses agree": float(spearman(losses[0], losses[1]))}


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| eps_root | learning rate | batch | gate: found of foretold, two seeds | adjoints grow | loss on the reference | "
        "cost, trainings | two metagradients agree | LDS, same seed | other seed | two seeds' losses agree |",
        "|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        lds = row["lds"] or {}
        words = " | ".join(f"{lds[name]:.2f}" if lds else "" for name in ("same", "other", "losses agree"))
        gates = ", ".join(f"{gate:.0%}" for gate in row["gate"])
        lines.append(
            f"| {row['eps_root']:g} | {row['learning_rate']:g} | {row['batch']} | {gates} | {max(row['growth']):.0f} | "
            f"{np.mean(row['loss']):.3f} | {np.mean(row['cost']):.1f} | {row['agree']:.2f} | {words} |"
        )
    return "\n".join(lines)


def main() -> None:
    options_of = parser(__doc__, "runs/tuned")
    options_of.add_argument(
        "--choices", nargs="+", type=Choice.of, default=[Choice(1e-4, 3e-3, 4)], metavar="ROOT:RATE:BATCH"
    )
    options_of.add_argument("--retrain", nargs="*", type=Choice.of, default=[], metavar="ROOT:RATE:BATCH")
    options_of.add_argument("--subsets", type=int, default=20, help="sets of tracks left out")
    options = options_of.parse_args()
    torch.set_num_threads(1)
    folder = corpus_of(options)
    rows = [_row(choice, options, folder) for choice in dict.fromkeys([*options.choices, *options.retrain])]
    words = table(rows)
    given = ("condition", "draw", "steps", "hidden", "subsets")
    command = " ".join(f"--{name} {getattr(options, name)}" for name in given)
    choices = " ".join(choice.words for choice in options.choices)
    retrained = " ".join(choice.words for choice in options.retrain)
    write(
        options.out,
        f"tuned-{options.condition}",
        "Settings in which the metagradient foretells",
        f"python -m benchmarks.tuned {command} --choices {choices} --retrain {retrained}",
        "one process, one thread",
        words,
        {"rows": rows},
    )
    print(words)


def _row(choice: Choice, options: argparse.Namespace, folder: str) -> dict[str, Any]:
    bench = Bench(folder, choice.config(config_of(options)))
    record = Record(Path(options.work) / f"{options.condition}-{options.draw}-{choice.words}.json", bench.config)
    for seed in SEEDS:
        if f"base {seed}" not in record:
            record.keep(f"base {seed}", base_of(bench, seed))
    bases = [record[f"base {seed}"] for seed in SEEDS]
    lds = None
    if choice in options.retrain:
        parts = [losses_without(bench, seed, options.subsets, record, f"losses {seed}") for seed in SEEDS]
        lds = lds_of(bases, [kept for kept, _ in parts], [losses for _, losses in parts])
    told = {name: [base[name] for base in bases] for name in ("gate", "growth", "loss", "cost")}
    agree = float(spearman(np.array(bases[0]["metagradient"]), np.array(bases[1]["metagradient"])))
    row = {**asdict(choice), **told, "agree": agree, "lds": lds}
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
