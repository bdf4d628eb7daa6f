"""The figures of `raysep benchmark attribution`, from its tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import rankdata

from raysep.commands.benchmark.attribution_rivals import RIVALS
from raysep.commands.benchmark.attribution_workers import (
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

DEFINITIONS = {
    "lds": "rank correlation over subsets of the summed scores of their stems with minus the mean loss over seeds on the "
    "reference, of trainings with seeds of their own that never drew the rest; mean over the bases; interval over subsets",
    "lds_of_mean": "the same of the bases' scores put together",
    "lds_random": "the same of random weights in the same network",
    "same_seed": "the same with minus the loss of the base's own training, with the same draws and the rest at weight 0",
    "other_seed": "the same with minus that loss of another base",
    "seeds_agree": "rank correlation over subsets of those losses of two bases",
    "reliability": "rank correlation of halves of the seeds, lengthened to all by the Spearman-Brown formula",
    "ceiling": "root of the reliability: the LDS of whoever knows the expected loss of every subset",
    "agreement": "rank correlation within label of the scores of two bases; mean over labels; interval over tracks",
    "against_random": "the same of a base with random weights in the same network",
    "auroc": "of suspicion ranked within label, each kind of fault against all clean stems; mean over kinds and bases",
    "removed": "dB by which the loss falls when the share of each label with the lowest scores is not trained on; mean over "
    "seeds that nothing else was trained with, and their standard deviation; of the bases' mean ranks",
    "random_scores": "mean LDS of scores drawn at random, and the bounds that 95 % of them stay in",
    "truth": "LDS of a score that is 1 for a clean stem and 0 for any other",
}
VARIANTS = (
    "influence-relative",
    "unlearning-relative",
    "own-loss",
)  # of methods: no trainings are spent on removing by them
TRUTH, CHANCE = "truth", "random-scores"  # controls among what is removed
Scores = dict[str, dict[str, np.ndarray]]  # method → weights (trained, random) → (base, stem); NaN where there is none


def figures(run: Run, rows: list[dict], draws: int, seed: int) -> dict[str, Any]:
    """What the tables say, with ``rows`` of the truth; plain values, for JSON."""
    known, scores = read_scores(run, rows)
    bases = bases_of(run)
    result: dict[str, Any] = {
        "definitions": DEFINITIONS,
        "tracks": len(set(known.groups)),
        "stems": len(known.ids),
        "drops": {
            f"{drop:g}": of_drop(trained, same, known, scores, draws, seed)
            for drop, (trained, same) in read_trainings(run, known).items()
        },
        "methods": {
            name: datamodels.quality(sides[TRAINED], sides[RANDOM], known, draws, seed).to_dict()
            for name, sides in scores.items()
        },
        "removed": removed(run),
        "step": {name_of(base, weights): _step(run, base, weights) for base in range(bases) for weights in WEIGHTS},
    }
    if run.has("metagradients.parquet"):
        traced = {row["base"]: row for row in run.read_table("metagradients.parquet").to_pylist()}
        result["gate"] = [{key: row[key] for key in ("ratio", "growth", "cost")} for row in traced.values()]
        noted = run.read_table("rivals.parquet").to_pylist()
        result["notes"] = {row["base"]: row["notes"].splitlines() for row in noted}
    result["seconds"] = {name: stage["seconds"] for name, stage in run.read_json("run.json")["stages"].items()}
    result["seconds"]["attribute"] = sum(step["seconds"] for step in result["step"].values())
    return _finite(result)


def of_drop(
    trained: datamodels.Trainings,
    same: np.ndarray | None,
    known: datamodels.Items,
    scores: Scores,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """The figures of subsets of one size; ``same`` ``(subset, base)`` are the losses of the bases' own trainings."""
    members, losses, clean = trained.members, trained.losses, (known.kinds == truth.CLEAN).astype(float)

    def over_subsets(statistic: Callable[[np.ndarray], float]) -> dict[str, Any]:
        return datamodels.over_subsets(statistic, len(losses), draws, seed).to_dict()

    def crossed(each: np.ndarray) -> dict[str, Any]:
        if same is None:
            return {}
        sums = datamodels.predictions(datamodels.filled(each, known.labels), members)
        own, other = (over_subsets(_crossed(sums, same, k)) for k in range(2))
        return {"same_seed": own, "other_seed": other}

    methods = {
        name: datamodels.foretelling(sides[TRAINED], sides[RANDOM], trained, draws, seed).to_dict()
        | crossed(sides[TRAINED])
        for name, sides in scores.items()
    }
    agree = {"seeds_agree": datamodels.crossed(-same.T, same)[1]} if same is not None else {}
    return {
        "subsets": len(losses),
        "reliability": over_subsets(lambda rows: datamodels.reliability(losses[rows])),
        "ceiling": over_subsets(lambda rows: datamodels.ceiling(losses[rows])),
        "random_scores": datamodels.random_lds(members, losses, draws, seed).to_dict(),
        "truth": over_subsets(
            lambda rows: datamodels.lds(datamodels.predictions(clean[None], members[rows]), losses[rows])
        )
        | crossed(np.repeat(clean[None], same.shape[1], axis=0) if same is not None else clean[None]),
        "loss": {"mean": losses.mean(), "deviation_over_subsets": losses.mean(axis=1).std(ddof=1)},
        **agree,
        "methods": methods,
    }


def _crossed(sums: np.ndarray, same: np.ndarray, which: int) -> Callable[[np.ndarray], float]:
    return lambda rows: datamodels.crossed(sums[:, rows], same[rows])[which]


def removed(run: Run) -> dict[str, dict[str, dict[str, Any]]]:
    """Method → share → part → dB by which the loss falls, ``{"gain", "deviation", "seeds"}``; paired over seeds."""
    losses = {
        (r["method"], r["share"], r["part"], r["seed"]): r["loss"]
        for r in run.read_table("removals.parquet").to_pylist()
    }
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for method, share, part in dict.fromkeys(key[:3] for key in losses if key[0]):
        seeds = [key[3] for key in losses if key[:3] == (method, share, part)]
        gains = [10 * math.log10(losses["", 0.0, part, s] / losses[method, share, part, s]) for s in seeds]
        deviation = float(np.std(gains, ddof=1)) if len(gains) > 1 else math.nan
        told = {"gain": float(np.mean(gains)), "deviation": deviation, "seeds": gains}
        found.setdefault(method, {}).setdefault(f"{share:g}", {})[part] = told
    return found


# From the tables --------------------------------------------------------------------------------------------------


def bases_of(run: Run) -> int:
    return int(run.read_json("run.json")["bases"])


def read_scores(run: Run, rows: list[dict]) -> tuple[datamodels.Items, Scores]:
    """What was attributed to, in the order of the stems' names, and the scores that the tables hold."""
    kinds = {row["stem_id"]: row["kind"] for row in rows}
    scored = run.read_table("scores.parquet").to_pylist()
    stems = {row["stem_id"]: (row["stem"], row["track"], kinds[row["stem_id"]]) for row in scored}
    names, bases = sorted(stems), bases_of(run)
    labels, tracks, faults = (np.array(column) for column in zip(*(stems[name] for name in names), strict=True))
    place = {name: number for number, name in enumerate(names)}
    scores: Scores = {}

    def add(found: list[dict], methods: tuple[str, ...]) -> None:
        for name in methods:
            scores[name] = {weights: np.full((bases, len(names)), np.nan) for weights in WEIGHTS}
            for row in found:
                if row[name] is not None:
                    scores[name][row.get("weights", TRAINED)][row["base"], place[row["stem_id"]]] = row[name]

    for table, methods in (("metagradients", (METAGRADIENT,)), ("rivals", RIVALS)):
        if run.has(f"{table}.parquet"):
            add(run.read_table(f"{table}.parquet").to_pylist(), methods)
    add(scored, METHODS)
    had = {name: sides for name, sides in scores.items() if np.isfinite(sides[TRAINED]).any()}
    return datamodels.Items(tuple(names), labels, tracks, faults), had


def read_trainings(run: Run, known: datamodels.Items) -> dict[float, tuple[datamodels.Trainings, np.ndarray | None]]:
    """Drop → what the trainings on its subsets gave, and the losses ``(subset, base)`` of the bases' own."""
    chosen = run.read_table("subsets.parquet").to_pylist()
    drops = {row["subset"]: row["drop"] for row in chosen}
    members = np.zeros((1 + max(drops), len(known.ids)), bool)
    for row in chosen:
        members[row["subset"], known.groups == row["track"]] = True
    trained = run.read_table("losses.parquet").to_pylist()
    losses = np.zeros((len(members), 1 + max(row["seed"] for row in trained)))
    parts = len({row["stem"] for row in trained})
    for row in trained:
        losses[row["subset"], row["seed"]] += row["loss"] / parts
    same = None
    if run.has("same.parquet"):
        same = np.zeros((len(members), bases_of(run)))
        for row in run.read_table("same.parquet").to_pylist():
            same[row["subset"], row["base"]] = row["loss"]
    found = {}
    for drop in dict.fromkeys(drops.values()):
        mine = [subset for subset, of in sorted(drops.items()) if of == drop]
        own = None if same is None else same[mine]
        found[drop] = (datamodels.Trainings(members[mine], losses[mine], known.labels), own)
    return found


def means(known: datamodels.Items, scores: Scores, seed: int) -> dict[str, np.ndarray]:
    """Method → one score ``(stem,)`` of all bases, their mean rank within label; with the truth's, and random ones."""
    found = {}
    for name, sides in scores.items():
        whole = datamodels.filled(sides[TRAINED], known.labels)
        if np.isfinite(whole).all() and name not in VARIANTS:
            ranks = np.zeros(whole.shape)
            for label in np.unique(known.labels):
                ranks[:, known.labels == label] = rankdata(whole[:, known.labels == label], axis=1)
            found[name] = ranks.mean(axis=0)
    clean = (known.kinds == truth.CLEAN).astype(float)
    chance = np.random.default_rng([seed, 0xC0DE]).random(len(clean))
    return found | {TRUTH: clean, CHANCE: chance}


def _step(run: Run, number: int, weights: str) -> dict[str, Any]:
    """How far the attribution of a base went, and whether the step holds what is asked of it."""
    record = Run(folder_of(run, number, weights)).read_json("done", "attribute.json")
    return {k: record.get(k) for k in ("self_check", "alpha", "alpha_satisfied", "unlearning_left_out", "seconds")}


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON has no form for, and arrays' numbers as plain ones."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
