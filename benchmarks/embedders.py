"""Which embedding finds wrong stems: every embedder and every distance, on a benchmark corpus; and whether length decides.

    raysep benchmark corpus bench --size small --seed 1
    python -m benchmarks.embedders bench --out docs/results

Detection  stems of bench/train against the tracks of bench/reference, label by label. AUROC of suspicion ranked within
           labels, macro over kinds, intervals by 2000 draws of whole songs.
Cost       seconds of audio embedded in a second of one core.
Length     clean rendered stems of 5 s to 5 minutes, their own songs: rank correlation of the score with the length, which
           should be near zero.

Frames are kept in --cache, so that a second run only computes distances.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.stats import spearmanr

from benchmarks.results import write
from raysep.corpus import manifest, truth
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.evaluation.bootstrap import cluster_bootstrap
from raysep.evaluation.scores import ScoreDetection, macro_difference, score_detection
from raysep.probes.embedders import registry
from raysep.probes.fad.reference import LabelReference, instrument

DRAWS = 2000
NULLS = ("fad", "fad-window", "fad-window-mean", "kad")
# What is judged: (measure, its raw value or its z-score).
SCORES = (
    ("fad", "raw"),
    ("fad", "z"),
    ("fad-window", "z"),
    ("fad-window-mean", "z"),
    ("kad", "raw"),
    ("kad", "z"),
    ("mahalanobis", "raw"),
    ("mahalanobis-high", "raw"),
    ("neighbours", "raw"),
    ("neighbours-high", "raw"),
)
PAIRED = ("aisfx", "musicnn")  # together, each divided by its own spread: the reference standardises every dimension
LENGTH_SONGS, SHORTEST, LONGEST = 120, 5.0, 300.0  # seconds, evenly spread in their logarithm
RENDERED = 6.0  # seconds: no song is composed shorter
LENGTH_RATE = 22_050

Frames = dict[str, np.ndarray]  # stem_id → (n, dimension) float32


def embed(name: str, weights: str, stems: list[Stem]) -> tuple[Frames, float, float]:
    """Frames of some stems by one process of one thread; seconds of audio, and seconds of processor time in embedding."""
    import torch

    from raysep.corpus.reading import read_stem
    from raysep.probes.embedders.base import audible_frames

    torch.set_num_threads(1)
    embedder = registry.build(name, stems[0].sample_rate, weights)
    frames, audio, busy = {}, 0.0, 0.0
    for stem in stems:
        samples = read_stem(stem, stem.sample_rate, 2)
        begin = time.process_time()
        frames[stem.stem_id] = audible_frames(embedder, samples, stem.sample_rate)
        busy += time.process_time() - begin
        audio += stem.frames / stem.sample_rate
    return frames, audio, busy


def frames_of(name: str, weights: str, folder: str, cache: Path, workers: int) -> tuple[Frames, float]:
    """Frames of every stem of a corpus, and seconds of audio per second of a core."""
    stems = stems_of(folder).stems
    key = hashlib.sha256(f"{name}/{weights}/{manifest.digest(stems)}".encode()).hexdigest()[:16]
    file = cache / f"{name.replace(':', '-')}-{key}.npz"
    if not file.exists():
        parts = [stems[k :: 4 * workers] for k in range(4 * workers)]
        with ProcessPoolExecutor(workers) as pool:
            done = list(pool.map(embed, *zip(*((name, weights, part) for part in parts if part), strict=True)))
        frames = {stem: value for part, _, _ in done for stem, value in part.items()}
        speed = sum(audio for _, audio, _ in done) / sum(busy for _, _, busy in done)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(file, **{" speed": np.array(speed)}, **frames)
    with np.load(file) as arrays:
        return {stem: arrays[stem] for stem in arrays if stem != " speed"}, float(arrays[" speed"])


def references_of(frames: Frames, least_spread: float) -> dict[str, LabelReference]:
    labels = sorted({stem.rpartition("/")[2] for stem in frames})
    return {
        label: LabelReference.from_tracks(
            [frames[stem] for stem in sorted(frames) if stem.endswith(f"/{label}")],
            measures=NULLS,
            least_spread=least_spread,
        )
        for label in labels
    }


def distances(judged: Frames, references: dict[str, LabelReference]) -> dict[str, dict[str, float]]:
    """score → stem_id → value, higher = cleaner; NaN for a stem of fewer than two audible frames."""
    names = tuple(dict.fromkeys(measure for measure, _ in SCORES))
    found: dict[str, dict[str, float]] = {}
    for stem, frames in judged.items():
        label = stem.rpartition("/")[2]
        values = references[label].measure(frames, names)
        for measure, which in SCORES:
            found.setdefault(f"{measure} {which}", {})[stem] = -values[measure][which]
        found.setdefault("instrument", {})[stem] = instrument(frames, label, references)
    return found


def detect(scores: dict[str, float], kinds: dict[str, str], audible: set[str]) -> ScoreDetection:
    stems = sorted(audible)
    label, track = (np.array([stem.rpartition("/")[part] for stem in stems]) for part in (2, 0))
    values = np.array([scores[stem] for stem in stems])
    return score_detection(values, np.array([kinds[stem] for stem in stems]), label, track, DRAWS)


def length_correlation(scores: dict[str, float], lengths: dict[str, int]) -> dict[str, float]:
    """Mean over labels of the rank correlation of score and number of frames over clean stems, interval by songs."""
    stems = sorted(stem for stem in scores if np.isfinite(scores[stem]))
    track, label = (np.array([stem.rpartition("/")[part] for stem in stems]) for part in (0, 2))
    score, length = (np.array([values[stem] for stem in stems], dtype=float) for values in (scores, lengths))

    def within_labels(rows: np.ndarray) -> float:
        parts = [rows[label[rows] == each] for each in np.unique(label)]
        return float(np.mean([spearmanr(score[part], length[part]).statistic for part in parts]))

    return cluster_bootstrap(within_labels, track, draws=500).to_dict()


def render_lengths(folder: Path, reference: Path, seed: int, workers: int) -> None:
    """Clean songs of their own lengths, and a reference of two-minute songs."""
    from raysep.corpus.songs.synthesis import synthesise

    for number, seconds in enumerate(np.geomspace(SHORTEST, LONGEST, LENGTH_SONGS)):
        name = f"long{number:03d}x"
        synthesise(str(folder), 1, max(RENDERED, float(seconds)), LENGTH_RATE, seed + number, workers, None, name)
        if seconds < RENDERED:
            for file in folder.glob(f"{name}*/*.wav"):
                audio, rate = sf.read(file, dtype="int16")
                sf.write(file, audio[: round(seconds * rate)], rate)
    synthesise(str(reference), 24, 120.0, LENGTH_RATE, seed, workers, None, "lref")


def combined(parts: list[tuple[Frames, float]]) -> Frames:
    """Frames of several embedders side by side: each of the first's with the other's nearest in the stem."""
    joined = {}
    for stem, first in parts[0][0].items():
        columns = [first]
        for frames, _ in parts[1:]:
            other = frames[stem]
            rows = np.minimum((np.arange(len(first)) * len(other)) // max(1, len(first)), max(0, len(other) - 1))
            columns.append(other[rows] if len(other) else np.zeros((len(first), other.shape[1]), np.float32))
        joined[stem] = np.concatenate(columns, axis=1)
    return joined


def shown(interval) -> str:
    return f"{interval.estimate:.3f} ({interval.low:.3f} … {interval.high:.3f})"


def report(found: dict[str, dict], lengths: dict[str, dict]) -> str:
    kinds = list(next(iter(next(iter(found.values()))["scores"].values())).by_kind)
    best = {name: max(case["scores"].items(), key=lambda item: item[1].macro.estimate) for name, case in found.items()}
    order = sorted(found, key=lambda name: -best[name][1].macro.estimate)
    lines = [
        "## Each embedder by its best distance",
        "",
        f"| embedder | numbers | frames a stem | audio s per core s | best distance | macro AUROC | {' | '.join(kinds)} |",
        "|---|---:|---:|---:|---|---|" + "---:|" * len(kinds),
    ]
    for name in order:
        case, (score, detection) = found[name], best[name]
        speed = f"{case['speed']:.0f}" if np.isfinite(case["speed"]) else "both"
        by_kind = " | ".join(f"{detection.by_kind[kind].estimate:.2f}" for kind in kinds)
        lines.append(
            f"| {name} | {case['dimension']} | {case['frames']:.0f} | {speed} | {score} | {shown(detection.macro)} | {by_kind} |"
        )
    names = list(next(iter(found.values()))["scores"])
    lines += [
        "",
        "## Macro AUROC by distance",
        "",
        f"| distance | {' | '.join(order)} |",
        "|---|" + "---|" * len(order),
    ]
    lines += [f"| {s} | " + " | ".join(shown(found[name]["scores"][s].macro) for name in order) + " |" for s in names]
    first = best[order[0]][1]
    lines += ["", "## Against the best", "", "| embedder | its best minus the best of all |", "|---|---|"]
    lines += [f"| {name} | {shown(macro_difference(best[name][1], first))} |" for name in order[1:]]
    if lengths:
        lines += [
            "",
            "## Does length decide?",
            "",
            f"Rank correlation, within label, of score and number of frames over the clean stems of {LENGTH_SONGS} songs of "
            f"{SHORTEST:.0f} s to {LONGEST / 60:.0f} minutes,",
            "reference 24 songs of two minutes. Demanded of what ranks stems (z): below 0.1 in size.",
            "",
            f"| score | {' | '.join(lengths)} |",
            "|---|" + "---|" * len(lengths),
        ]
        for score in next(iter(lengths.values())):
            row = [lengths[name][score] for name in lengths]
            lines.append(
                f"| {score} | "
                + " | ".join(f"{r['estimate']:+.2f} ({r['low']:+.2f} … {r['high']:+.2f})" for r in row)
                + " |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", help="folder of `raysep benchmark corpus`")
    parser.add_argument("--embedders", nargs="+", default=["logmel", "aisfx", "musicnn"], metavar="NAME[=WEIGHTS]")
    parser.add_argument("--length-embedders", nargs="*", default=["logmel"], metavar="NAME")
    parser.add_argument("--cache", default="runs/embedder-frames")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="of the songs of different lengths")
    parser.add_argument("--out", default="docs/results", help="folder that embedders.md and embedders.json go to")
    options = parser.parse_args()
    cache, begin = Path(options.cache), time.perf_counter()
    kinds = {row["stem_id"]: row["kind"] for row in truth.read(f"{options.bench}/truth.parquet")}
    weights = dict((*entry.split("=", 1), "")[:2] for entry in options.embedders)
    sets: dict[str, list] = {}
    for name, where in weights.items():
        least = registry.build(name, LENGTH_RATE, where).least_spread
        parts = [
            frames_of(name, where, f"{options.bench}/{part}", cache, options.workers) for part in ("train", "reference")
        ]
        sets[name] = [parts[0][0], parts[1][0], parts[0][1], least]
    if set(PAIRED) <= set(sets):
        both = [combined([(sets[name][part], 0.0) for name in PAIRED]) for part in (0, 1)]
        sets["+".join(PAIRED)] = [*both, float("nan"), max(sets[name][3] for name in PAIRED)]
    audible = set.intersection(*({s for s, f in judged.items() if len(f) >= 2} for judged, *_ in sets.values()))
    found = {}
    for name, (judged, reference, speed, least) in sets.items():
        scores = distances(judged, references_of(reference, least))
        found[name] = {
            "scores": {score: detect(values, kinds, audible) for score, values in scores.items()},
            "dimension": next(iter(judged.values())).shape[1],
            "frames": float(np.mean([len(f) for f in judged.values()])),
            "speed": speed,
        }
        print(name, {s: round(d.macro.estimate, 3) for s, d in found[name]["scores"].items()}, flush=True)
    lengths = measure_lengths(options, cache) if options.length_embedders else {}
    figures = {
        "embedders": {
            name: case
            | {
                "scores": {
                    s: {"macro": d.macro.to_dict(), "by_kind": {k: i.to_dict() for k, i in d.by_kind.items()}}
                    for s, d in case["scores"].items()
                }
            }
            for name, case in found.items()
        },
        "length": lengths,
        "stems": len(audible),
    }
    command = f"python -m benchmarks.embedders BENCH --embedders {' '.join(weights)} --length-embedders "
    command += f"{' '.join(options.length_embedders)} --seed {options.seed}"
    about = f"{len(audible)} stems with two audible frames in every embedding, {time.perf_counter() - begin:.0f} s"
    page = report(found, lengths)
    write(options.out, "embedders", "Embedders: detection, cost, length", command, about, page, figures)
    print(page)


def measure_lengths(options: argparse.Namespace, cache: Path) -> dict[str, dict]:
    """embedder → score → rank correlation with the number of frames, of clean stems of very different length."""
    with tempfile.TemporaryDirectory() as folder:
        songs, reference = Path(folder) / "songs", Path(folder) / "reference"
        render_lengths(songs, reference, options.seed, options.workers)
        found = {}
        for name in options.length_embedders:
            least = registry.build(name, LENGTH_RATE).least_spread
            judged, known = (frames_of(name, "", str(f), cache, options.workers)[0] for f in (songs, reference))
            scores = distances(judged, references_of(known, least))
            counts = {stem: len(frames) for stem, frames in judged.items()}
            found[name] = {score: length_correlation(values, counts) for score, values in scores.items()}
        return found


if __name__ == "__main__":
    main()
