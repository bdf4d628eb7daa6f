"""How well the metagradient foretells what leaving tracks out does to the reference loss, beside its rivals.

    python -m benchmarks.metagradient --work runs/metagradient --out docs/results --condition label-noise

Makes the tiny corpus of the condition in WORK/bench. Trains with several seeds, takes the metagradient of each, and trains
again without 10 % and without half of the tracks: by weight 0, with the same draws, and by not drawing them at all. What
was done is in WORK/CONDITION-DRAW.json; the same command goes on with it. One process, one thread.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.metagradient_bench import Bench, Record, config_of, corpus_of, kinds_of, parser
from benchmarks.results import write
from raysep import config as settings
from raysep.evaluation.datamodels import macro_auroc, spearman
from raysep.probes.metagradient import Query, metagradient, query_losses, query_slopes, reference_query
from raysep.probes.smoothness import smoothness
from raysep.training import adam
from raysep.training.unrolled import State, Unrolled

DROPS = (0.1, 0.5)  # of the tracks
RHO = 1e-3  # of the central difference, relative to the weights
RETRAINED = ("weight 0, same seed", "weight 0, other seed", "weight 0, mean of seeds", "not drawn, mean of seeds")


def rivals(bench: Bench, training: Unrolled, end: State, query: Query) -> dict[str, list[float]]:
    """Scores ``(stem,)`` read at the end point, higher = better to train on."""
    _, slope, _ = query_slopes(training, end, query)
    corrected = end.second / (1.0 - adam.BETAS[1] ** end.step)
    plus, minus = losses_beside(bench, training, end, slope[0] / (corrected + training.recipe.eps_root).sqrt())
    at_end = losses_beside(bench, training, end, torch.zeros_like(slope[0]))[0]
    return {"influence by Adam's moment, end point": (plus - minus).tolist(), "loss": (-at_end).tolist()}


def untrained(bench: Bench, training: Unrolled, query: Query) -> list[float]:
    """The control: influence along the plain gradient in the network as it is before any training, ``(stem,)``."""
    start = training.start
    _, slope, _ = query_slopes(training, start, query)
    plus, minus = losses_beside(bench, training, start, slope[0])
    found: list[float] = (plus - minus).tolist()
    return found


def losses_beside(bench: Bench, training: Unrolled, state: State, way: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Each stem's loss ``(stem,)`` a little along the way from a state's weights, and a little against it."""
    delta = RHO * state.average.norm() / way.norm().clamp(min=1e-30) * way

    def losses(parameters: Tensor) -> np.ndarray:
        named = training.evaluated(parameters, state.statistics)
        place = {(track, label): k for k, (track, label) in enumerate(zip(bench.tracks, bench.labels, strict=True))}
        found = np.zeros(len(bench.ids))
        with torch.no_grad():
            for track, targets in zip(sorted(set(bench.tracks)), bench.crops(), strict=True):
                (part,) = reference_query(training, [(targets.sum(dim=1), targets)], by_label=True)(named)
                for label, value in zip(bench.config.labels, part.tolist(), strict=True):
                    found[place[track, label]] = value
        return found

    return losses(state.average + delta), losses(state.average - delta)


def measure(bench: Bench, seeds: list[int], subsets: int, done: Record) -> None:
    """Fill ``done`` with what is not there yet: a base for each seed, and losses after each drop for the first two."""
    reference = bench.segments("reference")
    names = np.array(sorted(set(bench.tracks)))
    drawn = {(drop, k): left_out(names, drop, k) for drop in DROPS for k in range(subsets)}

    @cache
    def trained_with(seed: int) -> tuple[Unrolled, Query]:
        training = bench.training(seed)
        return training, reference_query(training, reference)

    for seed in seeds:
        if f"base {seed}" not in done:
            training, query = trained_with(seed)
            ones = torch.ones(len(bench.ids))
            found = metagradient(training, ones, query)
            gate = asdict(smoothness(training, ones, query, found)) if seed == seeds[0] else None
            base = {
                "metagradient": (-found.gradient[0]).tolist(),
                **rivals(bench, training, found.end, query),
                "loss_on_reference": float(found.losses[0]),
                "growth": found.growth,
                "seconds": [found.seconds_training, found.seconds_backward],
                "gate": gate,
            }
            done.keep(f"base {seed}", base)
        if f"untrained {seed}" not in done:
            done.keep(f"untrained {seed}", untrained(bench, *trained_with(seed)))
        if f"whole {seed}" not in done:
            training = bench.training(seed, whole_example=True)
            found = metagradient(training, torch.ones(len(bench.ids)), reference_query(training, reference))
            done.keep(f"whole {seed}", (-found.gradient[0]).tolist())
    for (drop, k), tracks in drawn.items():
        kept = ~np.isin(bench.tracks, tracks)
        for seed in seeds[:2]:
            for way in ("weight", "draw"):
                key = f"{way} {drop} {k} {seed}"
                if key not in done:
                    training, query = trained_with(seed)
                    if way == "draw":
                        training = bench.training(
                            seed + 100, kept.astype(float)
                        )  # draws of its own, as another training has
                        query = reference_query(training, reference)
                    weights = torch.from_numpy(kept).float() if way == "weight" else torch.ones(len(bench.ids))
                    loss = float(query_losses(training, training.end(weights), query)[0])
                    done.keep(key, {"loss": loss, "kept": kept.tolist()})


def left_out(names: np.ndarray, drop: float, number: int) -> np.ndarray:
    """A share of the tracks, at least one; each set is drawn by itself, so that more can be added to a record."""
    order = np.random.default_rng([5, round(1000 * drop), number]).permutation(len(names))
    return names[order[: max(1, round(drop * len(names)))]]


def figures(bench: Bench, done: Record, seeds: list[int], subsets: int, kinds: np.ndarray) -> dict[str, Any]:
    """LDS of every score by drop and by what is foretold, AUROC, and what the metagradient cost."""
    bases = {seed: done[f"base {seed}"] for seed in seeds}
    scores = {
        name: np.array([bases[s][name] for s in seeds])
        for name in bases[seeds[0]]
        if isinstance(bases[seeds[0]][name], list)
    }
    scores.pop("seconds")
    scores["metagradient, whole examples"] = np.array([done[f"whole {seed}"] for seed in seeds])
    scores["influence in an untrained network"] = np.array([done[f"untrained {seed}"] for seed in seeds])
    scores["truth: clean or not"] = np.repeat((kinds == "clean").astype(float)[None], len(seeds), axis=0)
    result: dict[str, Any] = {"lds": {}, "seeds_agree": {}, "ceiling": {}, "auroc": {}}
    for drop in DROPS:
        rows = [
            [done[f"{way} {drop} {k} {s}"] for k in range(subsets)] for way in ("weight", "draw") for s in seeds[:2]
        ]
        first, second, drawn, again = (np.array([entry["loss"] for entry in row]) for row in rows)
        kept = np.array([entry["kept"] for entry in rows[0]], float)
        result["seeds_agree"][str(drop)] = {
            "weight 0": float(spearman(first, second)),
            "not drawn": float(spearman(drawn, again)),
        }
        result["ceiling"][str(drop)] = {
            name: ceiling_of_two(agree) for name, agree in result["seeds_agree"][str(drop)].items()
        }
        for name, each in scores.items():
            sums = each @ kept.T  # (seed, subset)
            scaled = (sums / np.maximum(sums.std(axis=1, keepdims=True), 1e-30)).sum(axis=0)
            result["lds"].setdefault(name, {})[str(drop)] = dict(
                zip(
                    RETRAINED,
                    (
                        float(np.mean([spearman(sums[0], -first), spearman(sums[1], -second)])),
                        float(np.mean([spearman(sums[0], -second), spearman(sums[1], -first)])),
                        float(spearman(scaled, -(first + second))),
                        float(spearman(scaled, -(drawn + again))),
                    ),
                    strict=True,
                )
            )
    weights = np.ones((1, len(kinds)))
    for name, each in scores.items():
        result["auroc"][name] = float(
            np.mean([macro_auroc(s, np.array(bench.labels), kinds, weights)[0] for s in each])
        )
    mine = scores["metagradient"]
    result["metagradients_agree"] = float(np.mean([spearman(a, b) for i, a in enumerate(mine) for b in mine[:i]]))
    seconds = np.array([base["seconds"] for base in bases.values()])
    result["cost"] = float(1 + seconds[:, 1].sum() / seconds[:, 0].sum())
    result["growth"], result["gate"] = [b["growth"] for b in bases.values()], bases[seeds[0]]["gate"]
    return result


def ceiling_of_two(agree: float) -> float:
    """The LDS, against the mean loss of two trainings that agree so far, of whoever knows what is expected of every set.

    Root of the reliability of the mean, by the Spearman-Brown formula; 0 where they do not agree at all.
    """
    return float(np.sqrt(max(0.0, 2 * agree / (1 + agree))))


def page(found: dict[str, Any], config: settings.Config, condition: str, seeds: list[int], subsets: int) -> str:
    training, gate = config.training, found["gate"]
    lines = [
        f"Corpus `{condition}`, tiny; `{config.network.model}`, hidden {config.network.hidden}; {training.steps} steps of "
        f"{training.batch} examples of {training.segment_seconds:g} s, learning rate {training.learning_rate:g}, eps_root "
        f"{training.eps_root:g}. Scores of {len(seeds)} seeds; LDS over {subsets} random sets of tracks left out, two trainings each.",
        "",
        f"Smoothness: of what the metagradient foretells for weights changed by {gate['step']:.0%}, training gives "
        f"{gate['found'] / gate['foretold']:.0%} ({'trusted' if gate['trusted'] else 'not trusted: ' + gate['advice']}); its "
        f"adjoints grow {max(found['growth']):.1f} times at most. It costs {found['cost']:.1f} trainings, that one included. "
        f"Two seeds' metagradients agree {found['metagradients_agree']:.2f} (rank correlation over stems).",
    ]
    for drop in DROPS:
        agree, ceiling = found["seeds_agree"][str(drop)], found["ceiling"][str(drop)]
        lines += [
            "",
            f"LDS, {drop:.0%} of the tracks left out (two seeds agree {agree['weight 0']:.2f} by weight, "
            f"{agree['not drawn']:.2f} not drawn; noise ceiling of the mean of two {ceiling['weight 0']:.2f} and "
            f"{ceiling['not drawn']:.2f}):",
            "",
            f"| score | {' | '.join(RETRAINED)} | AUROC |",
            "|---|" + "---:|" * (len(RETRAINED) + 1),
        ]
        for name, by_drop in found["lds"].items():
            values = " | ".join(f"{by_drop[str(drop)][way]:.2f}" for way in RETRAINED)
            lines.append(f"| {name} | {values} | {found['auroc'][name]:.2f} |")
    return "\n".join(lines)


def main() -> None:
    options_of = parser(__doc__, "runs/metagradient")
    options_of.add_argument("--seeds", type=int, default=4, help="metagradients")
    options_of.add_argument("--subsets", type=int, default=20, help="sets of tracks left out, of each size")
    options = options_of.parse_args()
    torch.set_num_threads(1)
    config, folder = config_of(options), corpus_of(options)
    bench, seeds = Bench(folder, config), list(range(options.seeds))
    done = Record(Path(options.work) / f"{options.condition}-{options.draw}.json", config)
    measure(bench, seeds, options.subsets, done)
    found = figures(bench, done, seeds, options.subsets, kinds_of(bench))
    words = page(found, config, options.condition, seeds, options.subsets)
    given = ("condition", "draw", "seeds", "subsets", "steps", "hidden", "batch", "learning_rate", "eps_root")
    command = " ".join(f"--{name.replace('_', '-')} {getattr(options, name)}" for name in given)
    write(
        options.out,
        f"metagradient-{options.condition}",
        "The metagradient against retraining",
        f"python -m benchmarks.metagradient {command}",
        "one process, one thread",
        words,
        {"settings": settings.to_dict(config), **found},
    )
    print(words)


if __name__ == "__main__":
    main()
