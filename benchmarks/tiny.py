"""The demo over several seeds: what cleaning finds and what it brings at tiny size, with every figure per seed.

    python -m benchmarks.tiny --seeds 1 2 3 --out runs/tiny --results docs/results/tiny.md

Everything is made anew from the seed: songs, faults, training. Each seed takes minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime

import numpy as np

from raysep.commands.clean.demo import demo
from raysep.report import detection, results
from raysep.rundir import Run, environment


def figures(run: Run) -> dict:
    """One seed's outcome: detection, share, SDR of each arm, cost."""
    found = detection.judge(run, run.read_json("run.json")["truth"])
    summary, record = run.read_json("summary.json"), run.read_json("run.json")
    return {
        "macro_auroc": found.macro.estimate,
        "auroc_by_kind": {kind: ranking.auroc.estimate for kind, ranking in found.by_kind.items()},
        "share": summary["estimated_share"],
        "share_interval": summary["estimated_share_interval"],
        "clean_lost": found.removal.clean_lost,
        "corrupted_removed": found.removal.corrupted_removed,
        "sdr": {row["arm"]: row["sdr_mean"] for row in results.arm_rows(run)},
        "seconds": {name: stage["seconds"] for name, stage in record["stages"].items()},
        "peak_memory_gib": record["peak_memory_gib"],
    }


def table(seeds: dict[int, dict]) -> str:
    """Markdown: a row per figure, a column per seed, and the mean."""
    arms, kinds = (sorted({name for f in seeds.values() for name in f[key]}) for key in ("sdr", "auroc_by_kind"))
    rows = [("macro AUROC", lambda f: f["macro_auroc"])]
    rows += [(f"AUROC {kind}", lambda f, kind=kind: f["auroc_by_kind"].get(kind)) for kind in kinds]
    rows += [("estimated share (true 0.40)", lambda f: f["share"]), ("clean stems lost", lambda f: f["clean_lost"])]
    rows += [
        ("corrupted stems removed", lambda f: f["corrupted_removed"]),
    ]
    rows += [(f"SDR {arm}, dB", lambda f, arm=arm: f["sdr"][arm]) for arm in arms]
    rows += [
        ("SDR cleaned - contaminated, dB", lambda f: f["sdr"]["cleaned"] - f["sdr"]["contaminated"]),
        ("SDR clean - contaminated, dB", lambda f: f["sdr"]["clean"] - f["sdr"]["contaminated"]),
        ("seconds in all stages", lambda f: sum(f["seconds"].values())),
        ("peak memory, GiB", lambda f: f["peak_memory_gib"]),
    ]
    lines = ["| | " + " | ".join(f"seed {s}" for s in seeds) + " | mean |", "|---|" + "---:|" * (len(seeds) + 1)]
    for name, get in rows:
        values = [get(f) for f in seeds.values()]
        shown = ["not estimated" if v is None else f"{v:.2f}" for v in values]
        known = [v for v in values if v is not None]
        lines.append(
            f"| {name} | " + " | ".join(shown) + f" | {np.mean(known):.2f} |"
            if known
            else f"| {name} | " + " | ".join(shown) + " | |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", default="runs/tiny")
    parser.add_argument("--results", default="docs/results/tiny.md")
    arguments = parser.parse_args()
    seeds = {seed: figures(demo(f"{arguments.out}/seed{seed}", seed=seed)) for seed in arguments.seeds}
    here = environment()
    words = " ".join(map(str, arguments.seeds))
    text = (
        "# The demo over seeds\n\n"
        f"Command: `python -m benchmarks.tiny --seeds {words}`, commit {here['git']['commit'][:12]}"
        f"{' with local changes' if here['git']['dirty'] else ''}, {datetime.now(UTC):%Y-%m-%d}, "
        f"{os.cpu_count()} cores, Python {here['versions']['python']}, torch {here['versions']['torch']}.\n\n"
        "60 training songs of 12 s at 16 kHz, 40 % of the stems under a wrong name or merged (`label-noise`); 10 reference\n"
        "and 10 test songs; every arm 800 steps. SDR is of whole tracks, the mean over test stems.\n\n"
        + table(seeds)
        + "\n"
    )
    with open(arguments.results, "w", encoding="utf-8") as file:
        file.write(text)
    print(text, json.dumps(seeds), sep="\n")


if __name__ == "__main__":
    main()
