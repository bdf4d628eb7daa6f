"""What attribution costs and finds: the published unlearning pipeline, raysep's default, and its fast mode, in one run.

    python -m benchmarks.attribution --out docs/results

A benchmark corpus (songs from sampled instruments, half of the stems corrupted) and one separator trained on it. Then, on
the same segments, in the tracks' own mixtures, a pass that reads each at two weight sets:

published  Fisher of five epochs of per-sample gradients, one step of ascent; two sweeps of the corpus, for a loss each
default    `scoring.unlearning = joint`: Fisher of 1024 segments, the step's size by three readings, one pass
fast       the same with `scoring.fisher_segments = 192`
adam       `scoring.unlearning = adam`: Adam's second moment for the Fisher, three readings, one pass
central    the direction of adam, read by a central difference after its self-check, one pass

Costs are counted in forward passes of one mixture segment (a gradient counts three) and in seconds. All read with the code
of the scoring pass. The published pipeline has no rule for its step: it is given, for nothing, what the readings choose
with its own Fisher.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from benchmarks.attribution_page import DEMANDED, report
from benchmarks.results import write
from raysep.cluster.session import ALLOCATOR
from raysep.config import NetworkSettings, PlantingSettings, ScoringSettings
from raysep.corpus import benchmark, manifest, truth
from raysep.corpus.layouts import LABELS, stems_of
from raysep.corpus.reading import read_stem
from raysep.evaluation.scores import ScoreDetection, macro_difference, score_detection
from raysep.probes import influence, scoring, unlearning
from raysep.probes.fisher import diagonal_fisher
from raysep.probes.gradients import reference_gradient, weights_of, with_weights
from raysep.separators import registry
from raysep.separators.base import Separator
from raysep.stages.attribute import CHECKED_SEGMENTS
from raysep.training import loop
from raysep.training.pool import SegmentPool
from raysep.training.recipe import Recipe

RATE, SECONDS = 16_000, 3.0
EPOCHS = 5  # of the published Fisher (AttributeByUnlearning)
FAST = 192  # segments of the fast mode's Fisher; of 64, one seed in three lost 0.018 of AUROC
BATCH = 4  # segments in a forward pass: on a CPU larger ones leave the cache
HELD = 4  # segments that the third reading unlearns
RATED = 30  # tracks that the rate of the pass is measured on
DRAWS = 2000
TAU = scoring.PROBES["unlearning"]


@dataclass
class Segments:
    """Mixtures and targets of whole tracks, and which track each is of."""

    targets: torch.Tensor  # (n, stem, channel, time)
    tracks: list[str]

    @property
    def mixtures(self) -> torch.Tensor:
        return self.targets.sum(dim=1)

    def some(self, most: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mixtures and targets of ``most`` segments, drawn without order."""
        targets = self.targets[np.sort(np.random.default_rng(seed).permutation(len(self.targets))[:most])]
        return targets.sum(dim=1), targets


@dataclass
class Cost:
    passes: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    def of(self, name: str, passes: float, function: Callable):
        begin = time.perf_counter()
        result = function()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin
        self.passes += passes
        return result


def read(folder: str, offset: float = 0.0) -> Segments:
    """Segments side by side from ``offset`` seconds on; the last may be short and is padded."""
    frames, start = round(SECONDS * RATE), round(offset * RATE)
    targets, tracks = [], []
    for track, stems in manifest.tracks_of(stems_of(folder).stems).items():
        audio = np.stack([read_stem(stems[label], RATE, 2) for label in LABELS])[..., start:]
        for first in range(0, audio.shape[-1] - frames // 2, frames):
            piece = audio[..., first : first + frames]
            targets.append(np.pad(piece, ((0, 0), (0, 0), (0, frames - piece.shape[-1]))))
            tracks.append(track)
    return Segments(torch.from_numpy(np.stack(targets)), tracks)


def unlearning_part(reference: Segments) -> Segments:
    """Of the reference, the share of tracks that a run unlearns (the others calibrate it)."""
    names = sorted(set(reference.tracks))
    kept = set(names[: round(PlantingSettings().unlearning * len(names))])
    chosen = [number for number, track in enumerate(reference.tracks) if track in kept]
    return Segments(reference.targets[chosen], [reference.tracks[number] for number in chosen])


def trained(corpus: Segments, steps: int, hidden: int, seed: int) -> loop.TrainingState:
    pool = SegmentPool(LABELS, 2**32)
    for number, (target, track) in enumerate(zip(corpus.targets.numpy(), corpus.tracks, strict=True)):
        for label, audio in zip(LABELS, target, strict=True):
            if np.abs(audio).max() > 0:
                pool.add(f"{track}/{label}", number, label, audio)
    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(seed)
    network = registry.build("openunmix-joint", stems=LABELS, sample_rate=RATE, hidden=hidden)
    network.set_input_statistics(corpus.mixtures[::4])
    recipe = Recipe(steps=steps, batch=8, segment_seconds=1.5, learning_rate=3e-3, seed=seed)
    return loop.train(network, lambda step: pool.draw(8, round(1.5 * RATE), step, seed), recipe)


@dataclass
class Bench:
    """What all modes share."""

    state: loop.TrainingState
    corpus: Segments
    reference: Segments  # what is unlearned
    epochs: Callable[[], Iterator[Segments]]  # the corpus as the published Fisher sees it, cut anew each time
    seed: int
    kit: scoring.ScoringKit = field(init=False)
    tracks: list[scoring.Track] = field(init=False)  # the corpus as the scoring pass sees it

    def __post_init__(self) -> None:
        options = scoring.ScoringOptions(round(SECONDS * RATE), RATE, batch=BATCH)
        self.kit = scoring.ScoringKit({"final": self.network}, None, options)
        places: dict[str, list[int]] = {}
        for number, track in enumerate(self.corpus.tracks):
            places.setdefault(track, []).append(number)
        audio = {track: np.concatenate(list(self.corpus.targets[p].numpy()), axis=-1) for track, p in places.items()}
        self.tracks = [
            scoring.cut_track(self.kit, dict(zip(LABELS, stems, strict=True)), track) for track, stems in audio.items()
        ]

    @property
    def network(self) -> Separator:
        return self.state.network

    def read(self, first: Separator, second: Separator, tracks: list[scoring.Track] | None = None) -> np.ndarray:
        """L(second) - L(first) ``(segment, stem)``, in the order of the corpus; NaN where silent."""
        self.kit.networks = {"final": first, "unlearned": second}
        with torch.inference_mode():
            found = [scoring.segment_scores(self.kit, track, [TAU]) for track in tracks or self.tracks]
        return np.concatenate([scores[TAU.name].T for scores in found])

    def gradient(self, cost: Cost):
        batches = list(zip(self.reference.mixtures.split(BATCH), self.reference.targets.split(BATCH), strict=True))
        count = len(self.reference.targets)
        return cost.of("reference gradient", 3 * count, lambda: reference_gradient(self.network, batches)).mean()

    def step_size(self, cost: Cost, gradient, metric) -> unlearning.StepSize:
        """By the three readings, on as many segments as a run takes."""
        known, judged = self.reference.some(CHECKED_SEGMENTS, self.seed), self.corpus.some(CHECKED_SEGMENTS, self.seed)
        size = cost.of(
            "step size",
            0.0,
            lambda: unlearning.choose_step_size(
                self.network, gradient, metric, len(self.corpus.targets), known, judged, held=HELD
            ),
        )
        of_reference, of_corpus = len(known[0]), len(judged[0])
        each = of_reference + 2 * of_corpus + HELD * of_corpus
        cost.passes += len(size.readings) * each + of_reference + of_corpus + 3 * HELD
        return size

    def unlearned(self, cost: Cost, gradient, metric, alpha: float) -> np.ndarray:
        """τ ``(segment, stem)`` after one step of ascent."""
        total = len(self.corpus.targets)
        moved = unlearning.unlearn(weights_of(self.network), gradient, metric, total, alpha)
        return cost.of("sweeps", 2 * total, lambda: self.read(self.network, with_weights(self.network, moved)))


def published(bench: Bench) -> tuple[np.ndarray, Cost, dict]:
    cost, fisher = Cost(), None
    for epoch in bench.epochs():
        part = cost.of(
            "fisher", 3 * len(epoch.targets), lambda e=epoch: diagonal_fisher(bench.network, e.mixtures, e.targets)
        )
        fisher = part if fisher is None else fisher.merge(part)
    gradient, metric = bench.gradient(cost), fisher.mean()
    size = bench.step_size(Cost(), gradient, metric)
    return bench.unlearned(cost, gradient, metric, size.alpha), cost, size.to_dict()


def joint(bench: Bench, segments: int) -> tuple[np.ndarray, Cost, dict]:
    """A run's pass with a Fisher of so many segments."""
    cost, sample = Cost(), bench.corpus.some(segments, bench.seed + 1)
    metric = cost.of("fisher", 3 * len(sample[0]), lambda: diagonal_fisher(bench.network, *sample)).mean()
    return _by_readings(bench, cost, metric)


def adam(bench: Bench) -> tuple[np.ndarray, Cost, dict]:
    return _by_readings(bench, Cost(), bench.state.second_moment())


def _by_readings(bench: Bench, cost: Cost, metric) -> tuple[np.ndarray, Cost, dict]:
    gradient = bench.gradient(cost)
    size = bench.step_size(cost, gradient, metric)
    return bench.unlearned(cost, gradient, metric, size.alpha), cost, size.to_dict()


def central(bench: Bench) -> tuple[np.ndarray, Cost, dict]:
    cost = Cost()
    along = influence.direction(bench.gradient(cost), unlearning.damped(bench.state.second_moment()))
    checked = bench.corpus.some(CHECKED_SEGMENTS, bench.seed)
    agreement = cost.of("self-check", 4 * len(checked[0]), lambda: influence.check_step(bench.network, along, *checked))
    plus, minus, _ = influence.perturb(weights_of(bench.network), along)
    sides = with_weights(bench.network, minus), with_weights(bench.network, plus)
    found = cost.of("sweeps", 2 * len(bench.corpus.targets), lambda: bench.read(*sides))
    return found, cost, {"self_check": agreement}


MODES: dict[str, Callable[[Bench], tuple[np.ndarray, Cost, dict]]] = {
    "published": published,
    "default": lambda bench: joint(bench, ScoringSettings().fisher_segments),
    "fast": lambda bench: joint(bench, FAST),
    "adam": adam,
    "central": central,
}


def rates(bench: Bench, rounds: int = 5) -> tuple[float, float]:
    """Seconds of two forward passes over every segment of some tracks, mixtures in memory, and nothing else; and of the
    scoring pass, which reads the same segments at two weight sets.

    The best of some rounds of each, taken in turns: what else the machine does slows both.
    """
    tracks = bench.tracks[:RATED]
    mixtures = bench.corpus.targets[: sum(len(track.segments) for track in tracks)].sum(dim=1)
    moved = with_weights(bench.network, {name: 1.001 * value for name, value in weights_of(bench.network).items()})

    def bare() -> None:
        for network in (bench.network, moved):
            for mixture in mixtures.split(BATCH):
                network(mixture)

    best = [np.inf, np.inf]
    with torch.inference_mode():
        for _ in range(rounds):
            for number, run in enumerate((bare, lambda: bench.read(bench.network, moved, tracks))):
                begin = time.perf_counter()
                run()
                best[number] = min(best[number], time.perf_counter() - begin)
    return best[0], best[1]


# Detection


def stem_scores(scores: np.ndarray, corpus: Segments) -> dict[str, float]:
    """stem_id -> mean over its audible segments."""
    found: dict[str, list[float]] = {}
    for number, track in enumerate(corpus.tracks):
        for stem, label in enumerate(LABELS):
            if np.isfinite(scores[number, stem]):
                found.setdefault(f"{track}/{label}", []).append(float(scores[number, stem]))
    return {stem_id: float(np.mean(values)) for stem_id, values in found.items()}


def detected(scores: dict[str, float], kinds: dict[str, str], seed: int) -> ScoreDetection:
    ids = sorted(scores)
    label, track = (np.array([i.rpartition("/")[part] for i in ids]) for part in (2, 0))
    kind = np.array([kinds[i] for i in ids])
    return score_detection(np.array([scores[i] for i in ids]), kind, label, track, DRAWS, seed)


def run(seed: int, steps: int, hidden: int, size: benchmark.Size, wanted: list[str]) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        places = benchmark.make_corpus(folder, size, seed)
        corpus, reference = read(places.train), unlearning_part(read(places.reference))
        kinds = {row["stem_id"]: row["kind"] for row in truth.read(places.truth)}
        state = trained(corpus, steps, hidden, seed)
        torch.set_num_threads(1)  # as in a scoring worker
        state.network.eval()
        bench = Bench(
            state, corpus, reference, lambda: (read(places.train, o) for o in np.linspace(0.0, 1.0, EPOCHS)), seed
        )
        bench.read(state.network, state.network, bench.tracks[:4])  # the first call is slow
        modes = {name: MODES[name](bench) for name in wanted}
    bare, pass_seconds = rates(bench)
    found = {name: detected(stem_scores(values, corpus), kinds, seed) for name, (values, _, _) in modes.items()}
    rows = {}
    for name, (_, cost, step) in modes.items():
        over, interval = macro_difference(found[name], found["published"]), found[name].macro
        rows[name] = {
            "passes": cost.passes,
            "seconds": cost.seconds,
            "step": step,
            "macro": interval.estimate,
            "macro_interval": [interval.low, interval.high],
            "over_published_interval": [over.low, over.high],
            "by_kind": {kind: area.estimate for kind, area in found[name].by_kind.items()},
        }
    return {
        "seed": seed,
        "segments": len(corpus.targets),
        "reference_segments": len(reference.targets),
        "modes": rows,
        "bare_seconds": bare,
        "pass_seconds": pass_seconds,
        "rate": bare / pass_seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results", help="folder that attribution.md and attribution.json go to")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--steps", type=int, default=600, help="of the separator's training")
    parser.add_argument("--hidden", type=int, default=NetworkSettings().hidden, help="of the separator")
    parser.add_argument("--songs", type=int, default=300, help="of the corpus, 24 s each; the default is two hours")
    parser.add_argument(
        "--modes", nargs="+", choices=list(MODES), default=list(MODES), help="published must be among them"
    )
    options = parser.parse_args()
    if not ALLOCATOR.items() <= os.environ.items():  # as raysep starts its workers
        os.execve(
            sys.executable, [sys.executable, "-m", "benchmarks.attribution", *sys.argv[1:]], os.environ | ALLOCATOR
        )
    begin, tiny = time.perf_counter(), benchmark.BENCHMARKS["tiny"]
    size = replace(tiny, train=options.songs, test=1, seconds=24.0)
    cases: list[dict] = []
    for seed in options.seeds:
        cases.append(run(seed, options.steps, options.hidden, size, options.modes))
        result = {"seeds": cases, "demanded": DEMANDED}
        seeds = " ".join(str(case["seed"]) for case in cases)
        command = f"python -m benchmarks.attribution --seeds {seeds} --steps {options.steps} --hidden {options.hidden} "
        command += f"--songs {options.songs} --modes {' '.join(options.modes)}"
        about = (
            f"one torch thread but in training, raysep's allocator settings, {time.perf_counter() - begin:.0f} s in all"
        )
        write(options.out, "attribution", "Attribution: cost and detection", command, about, report(result), result)
    print(report(result))


if __name__ == "__main__":
    main()
