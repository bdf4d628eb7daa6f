"""What training on the stems that the metagradient chooses gives on test songs, beside removing those that are wrong.

    python -m benchmarks.descent --work runs/metagradient --out docs/results --condition label-noise

Arms say how often each stem is drawn, 0 to 2; all trained with the same seeds, which nothing else was trained with. The
descent is that of `raysep descend`: one half of the reference is descended on, with new seeds in every round, the other
judges, with the same ones. One process, one thread; goes on with what is in WORK/descent-CONDITION-DRAW.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks.metagradient_bench import Bench, Record, config_of, corpus_of, kinds_of, parser
from benchmarks.results import write
from raysep import config as settings
from raysep.commands.worth.tables import beside_others
from raysep.decision.descent import RATE, PerStem, Trial, best, descend
from raysep.probes.metagradient import metagradient, query_losses, reference_query
from raysep.training.unrolled import State, Unrolled

FIRST_OF_ARMS, JUDGE = 1000, 2000  # seeds of the arms, and the one that judges; no round has them
REMOVED = (0.25, 0.5)  # of each label


def rounds_of(bench: Bench, done: Record, rounds: int, rate: float) -> list[dict[str, Any]]:
    """Weights, loss on the judging half and metagradient of each round of a descent at this rate."""
    key = f"rounds at {rate:g}"
    halves = [bench.segments("reference", slice(k, None, 2)) for k in range(2)]

    def trial(number: int, weights: np.ndarray) -> Trial:
        given, gradient = torch.from_numpy(weights).float(), np.zeros(len(weights))
        judge = bench.training(JUDGE)
        judged = query_losses(judge, judge.end(given), reference_query(judge, halves[1]))[0]
        if number < rounds:
            training = bench.training(number)
            found = metagradient(training, given, reference_query(training, halves[0]))
            gradient = beside_others(found.gradient[0], np.array(bench.labels), np.ones(len(weights)))
        return Trial(gradient, float(judged))

    kept = [Trial(np.array(row["gradient"]), row["judged"]) for row in done.get(key, [])]

    def keep(number: int, told: Trial) -> None:
        done.keep(key, [*done.get(key, []), {"gradient": told.gradient.tolist(), "judged": told.judged}])

    found = descend(
        PerStem.start(np.array(bench.labels), rate), trial, rounds, patience=rounds, done=kept, on_round=keep
    )
    chosen = best(found)
    return [
        {"weights": one.weights, "judged": one.judged, "chosen": one is chosen, "gradient": row["gradient"]}
        for one, row in zip(found, done[key], strict=True)
    ]


def without_worst(harm: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """Weights ``(stem,)``: 0 for the share of each label that does most harm, else 1."""
    weights = np.ones(len(harm))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        weights[members[np.argsort(-harm[members])[: round(share * len(members))]]] = 0.0
    return weights


def arms_of(bench: Bench, descents: dict[float, list[dict[str, Any]]], kinds: np.ndarray) -> dict[str, np.ndarray]:
    labels, ones = np.array(bench.labels), np.ones(len(bench.ids))
    first = next(iter(descents.values()))[0]  # the same at every rate: all begin with the weights as they are
    harm, rng = np.array(first["gradient"]), np.random.default_rng(9)
    arms = {"contaminated": ones, "clean": ones, "oracle removal": (kinds == "clean").astype(float)}
    for share in REMOVED:
        arms[f"metagradient, worst {share:.0%} removed"] = without_worst(harm, labels, share)
        arms[f"random, {share:.0%} removed"] = without_worst(rng.normal(size=len(harm)), labels, share)
    for rate, rounds in descents.items():
        for number, one in enumerate(rounds[1:], start=1):
            arms[f"descent at {rate:g}, round {number}" + (" (chosen)" if one["chosen"] else "")] = one["weights"]
    return arms


def loss_of(bench: Bench, weights: np.ndarray, seed: int, tested: list[Any]) -> float:
    """On the test songs, of a training that draws by these weights."""
    training: Unrolled = bench.training(seed, weights)
    end: State = training.end(torch.ones(len(weights)))
    return float(query_losses(training, end, reference_query(training, tested))[0])


def page(losses: dict[str, list[float]], descents: dict[float, list[dict[str, Any]]], about: str) -> str:
    gains = {name: 10 * np.log10(np.array(losses["contaminated"]) / np.array(each)) for name, each in losses.items()}
    lines = [about, "", "| trained on | test loss, dB below contaminated | over oracle removal |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {_interval(gain)} | {_interval(gain - gains['oracle removal'])} |" for name, gain in gains.items()
    ]
    for rate, rounds in descents.items():
        judged = ", ".join(f"{one['judged']:.4f}" for one in rounds)
        lines += ["", f"Loss of the rounds at {rate:g} on the half of the reference that judges: {judged}."]
    return "\n".join(lines)


def _interval(values: np.ndarray) -> str:
    """Mean over paired seeds with the 95 % interval of Student's t."""
    if not values.any():
        return "0"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.3f} ({values.mean() - half:+.3f} … {values.mean() + half:+.3f})"


def main() -> None:
    options_of = parser(__doc__, "runs/metagradient")
    options_of.add_argument("--seeds", type=int, default=5, help="of every arm")
    options_of.add_argument("--rounds", type=int, default=4)
    options_of.add_argument(
        "--rates", type=float, nargs="+", default=[RATE], help="most that a weight moves in a round"
    )
    options = options_of.parse_args()
    torch.set_num_threads(1)
    config, folder = config_of(options), corpus_of(options)
    bench, clean = Bench(folder, config), Bench(folder, config, "clean")
    done = Record(Path(options.work) / f"descent-{options.condition}-{options.draw}.json", config)
    descents = {rate: rounds_of(bench, done, options.rounds, rate) for rate in options.rates}
    arms, tested = arms_of(bench, descents, kinds_of(bench)), bench.segments("test")
    losses: dict[str, list[float]] = {name: [] for name in arms}
    for seed in range(FIRST_OF_ARMS, FIRST_OF_ARMS + options.seeds):
        for name, weights in arms.items():
            key = f"{name} {seed}"
            if key not in done:
                done.keep(key, loss_of(clean if name == "clean" else bench, weights, seed, tested))
            losses[name].append(done[key])
    training = config.training
    about = (
        f"Corpus `{options.condition}`, tiny, draw {options.draw}; `{config.network.model}`, hidden {config.network.hidden}; {training.steps} steps of "
        f"{training.batch} examples, eps_root {training.eps_root:g}; {options.seeds} paired seeds. Stems are drawn by "
        "their weights. A round is one training with its metagradient, and one that judges."
    )
    words = page(losses, descents, about)
    given = ("condition", "draw", "seeds", "rounds", "steps", "hidden", "batch", "learning_rate", "eps_root")
    command = " ".join(f"--{name.replace('_', '-')} {getattr(options, name)}" for name in given)
    command += " --rates " + " ".join(f"{rate:g}" for rate in options.rates)
    figures = {
        "settings": settings.to_dict(config),
        "losses": losses,
        "judged": {f"{rate:g}": [one["judged"] for one in rounds] for rate, rounds in descents.items()},
    }
    title = "Descent on the weights of stems"
    command = f"python -m benchmarks.descent {command}"
    write(
        options.out,
        f"descent-{options.condition}-{options.draw}",
        title,
        command,
        "one process, one thread",
        words,
        figures,
    )
    print(words)


if __name__ == "__main__":
    main()
