"""The figures of `raysep benchmark attribution`, from its tables, and how they are shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from raysep.commands.benchmark.attribution_workers import (
    BASES,
    METAGRADIENT,
    METHODS,
    RANDOM,
    TRAINED,
    WEIGHTS,
    folder_of,
    name_of,
)
from raysep.corpus import truth
from raysep.evaluation import datamodels
from raysep.rundir import Run
from raysep.screen import print_table, terminal

DEFINITIONS = {
    "lds": "rank correlation over subsets of the summed scores of their stems with minus the mean loss over seeds on the "
    "reference; mean over the bases; interval over subsets",
    "lds_random": "the same of random weights in the same network",
    "reliability": "rank correlation of halves of the seeds, lengthened to all by the Spearman-Brown formula",
    "ceiling": "root of the reliability: the LDS of whoever knows the expected loss of every subset",
    "agreement": "rank correlation within label of the scores of two bases; mean over labels; interval over tracks",
    "against_random": "the same of a base with random weights in the same network",
    "auroc": "of suspicion ranked within label, each kind of fault against all clean stems; mean over kinds and bases",
    "random_scores": "mean LDS of scores drawn at random, and the bounds that 95 % of them stay in",
    "truth": "LDS of a score that is 1 for a clean stem and 0 for any other",
}


COLUMNS = {
    "lds": "LDS",
    "lds_random": "LDS of random weights",
    "agreement": "two seeds agree",
    "against_random": "random weights agree",
    "auroc": "AUROC",
    "auroc_random": "AUROC of random weights",
}
OTHERS = {"random_scores": "random scores", "truth": "truth: clean or not", "ceiling": "noise ceiling"}
Scores = dict[str, dict[str, np.ndarray]]  # probe → weights (trained, random) → (base, stem); NaN where there is none


def figures(run: Run, rows: list[dict], draws: int, seed: int) -> dict[str, Any]:
    """What the tables say, with ``rows`` of the truth; plain values, for JSON."""
    known, scores = read(run, rows)
    members, losses, clean = known.members, known.losses, (known.kinds == truth.CLEAN).astype(float)

    def over_subsets(statistic: Callable[[np.ndarray], float]) -> dict[str, Any]:
        return datamodels.over_subsets(statistic, len(losses), draws, seed).to_dict()

    result: dict[str, Any] = {
        "definitions": DEFINITIONS,
        "tracks": len(set(known.groups)),
        "stems": len(known.labels),
        "reliability": over_subsets(lambda rows: datamodels.reliability(losses[rows])),
        "ceiling": over_subsets(lambda rows: datamodels.ceiling(losses[rows])),
        "methods": {
            name: datamodels.quality(sides[TRAINED], sides[RANDOM], known, draws, seed).to_dict()
            for name, sides in scores.items()
        },
        "random_scores": datamodels.random_lds(members, losses, draws, seed).to_dict(),
        "truth": over_subsets(
            lambda rows: datamodels.lds(datamodels.predictions(clean[None], members[rows]), losses[rows])
        ),
        "loss": {"mean": losses.mean(), "deviation_over_subsets": losses.mean(axis=1).std(ddof=1)},
        "step": {name_of(base, weights): _step(run, base, weights) for base in range(BASES) for weights in WEIGHTS},
    }
    if run.has("metagradients.parquet"):
        traced = {row["base"]: row for row in run.read_table("metagradients.parquet").to_pylist()}
        result["gate"] = [{key: row[key] for key in ("ratio", "growth", "cost")} for row in traced.values()]
    result["seconds"] = {name: stage["seconds"] for name, stage in run.read_json("run.json")["stages"].items()}
    result["seconds"]["attribute"] = sum(step["seconds"] for step in result["step"].values())
    return _finite(result)


def read(run: Run, rows: list[dict]) -> tuple[datamodels.Trainings, Scores]:
    """The trainings and the scores that the tables hold; stems are the items, in the order of their names."""
    kinds = {row["stem_id"]: row["kind"] for row in rows}
    scored = run.read_table("scores.parquet").to_pylist()
    stems = {row["stem_id"]: (row["stem"], row["track"], kinds[row["stem_id"]]) for row in scored}
    names = sorted(stems)
    labels, tracks, faults = (np.array(column) for column in zip(*(stems[name] for name in names), strict=True))
    chosen = run.read_table("subsets.parquet").to_pylist()
    members = np.zeros((1 + max(row["subset"] for row in chosen), len(names)), bool)
    for row in chosen:
        members[row["subset"], tracks == row["track"]] = True
    trained = run.read_table("losses.parquet").to_pylist()
    losses = np.zeros((len(members), 1 + max(row["seed"] for row in trained)))
    parts = len({row["stem"] for row in trained})
    for row in trained:
        losses[row["subset"], row["seed"]] += row["loss"] / parts
    place = {name: number for number, name in enumerate(names)}
    scores = {name: {weights: np.full((BASES, len(names)), np.nan) for weights in WEIGHTS} for name in METHODS}
    for row in scored:
        for name in METHODS:
            if row[name] is not None:
                scores[name][row["weights"]][row["base"], place[row["stem_id"]]] = row[name]
    if run.has("metagradients.parquet"):
        scores[METAGRADIENT] = {weights: np.full((BASES, len(names)), np.nan) for weights in WEIGHTS}
        for row in run.read_table("metagradients.parquet").to_pylist():
            scores[METAGRADIENT][TRAINED][row["base"], place[row["stem_id"]]] = row[METAGRADIENT]
    return datamodels.Trainings(members, losses, labels, tracks, faults), scores


def _step(run: Run, number: int, weights: str) -> dict[str, Any]:
    """How far the attribution of a base went, and whether the step holds what is asked of it."""
    record = Run(folder_of(run, number, weights)).read_json("done", "attribute.json")
    return {k: record.get(k) for k in ("self_check", "alpha", "alpha_satisfied", "unlearning_left_out", "seconds")}


def show(result: dict[str, Any], root: str) -> None:
    """Print what ``figures`` gave, and how many subsets and seeds it is from."""
    from rich.table import Table

    console = terminal()
    table = Table(title="Attribution against retraining on a part of the tracks", title_justify="left")
    table.add_column("")
    for column in COLUMNS.values():
        table.add_column(column, justify="right")
    for name, row in result["methods"].items():
        table.add_row(name, *(whole(row[column]) for column in COLUMNS))
    table.add_section()
    for name, title in OTHERS.items():
        table.add_row(title, whole(result[name]))
    print_table(console, table)
    for gate in result.get("gate", ()):
        console.print(
            f"metagradient: of what it foretells for weights changed by 3 %, training gives {gate['ratio']:.0%}; "
            f"{gate['cost']:.1f} trainings"
        )
    sets = "halves" if result["drop"] == 0.5 else f"sets without {result['drop']:.0%}"
    console.print(
        f"{result['subsets']} {sets} of {result['tracks']} tracks, {result['seeds']} trainings each; split-half reliability "
        f"of their loss {whole(result['reliability'])}"
    )
    for name, step in result["step"].items():
        if step["unlearning_left_out"]:
            console.print(f"unlearning of {name} left out: {step['unlearning_left_out']}")
    console.print(f"attribution: {root}")


def whole(interval: dict[str, Any]) -> str:
    """An interval's estimate with its bounds."""
    estimate, low, high = (
        "none" if interval[key] is None else f"{interval[key]:.2f}" for key in ("estimate", "low", "high")
    )
    return f"{estimate} ({low}…{high})"


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON has no form for, and arrays' numbers as plain ones."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
