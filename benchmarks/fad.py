"""Speed and agreement of the Fréchet and kernel distances against fadtk's and kadtk's own arithmetic.

    pip download --no-deps --dest peers fadtk==1.1.0 kadtk==1.1.0
    python -m benchmarks.fad --peers peers --out docs/results

One run, one thread, frames in memory; a song is 10 to 60 frames, as a stem of half a minute gives. Of the peers only the
distance functions are taken from their wheels: no model of theirs, no audio, no pool of processes. Theirs and ours are
timed in turns, so that a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import logging
import math
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.results import write
from raysep.probes.fad import KernelReference, ReferenceStatistics, frechet_distances, kernel_distances

CASES = ((128, 2000), (512, 2000), (1024, 4000), (1024, 300))  # dimension, reference frames
DEMANDED = {128: 50, 512: 500, 1024: 1000}
KERNEL_CASES = ((128, 2000), (512, 2000), (1024, 2000), (512, 6000))
SHORTEST, LONGEST = 10, 60  # frames of a song


def functions_of(wheel: Path, module: str, *names: str, **given: Any) -> dict[str, Any]:
    """The named top-level functions of a module inside a wheel, run with ``given`` as all that they import."""
    with zipfile.ZipFile(wheel) as archive:
        tree = ast.parse(archive.read(module))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    space = dict(given)
    exec(compile(tree, f"{wheel.name}/{module}", "exec"), space)
    return {name: space[name] for name in names}


def load_peers(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """name → function, and the sha256 of each wheel."""
    import torch
    from numpy.lib.scimath import sqrt
    from scipy import linalg

    torch.set_num_threads(1)
    wheels = {name: next(folder.glob(f"{name}-*.whl")) for name in ("fadtk", "kadtk")}
    fad = functions_of(
        wheels["fadtk"], "fadtk/fad.py", "calc_frechet_distance", "calc_embd_statistics",
        np=np, linalg=linalg, scisqrt=sqrt, log=logging.getLogger("fadtk"),
    )  # fmt: skip
    kad = functions_of(
        wheels["kadtk"], "kadtk/kad.py", "calc_kernel_audio_distance", "median_pairwise_distance",
        np=np, torch=torch, Path=Path, SCALE_FACTOR=100,
    )  # fmt: skip
    digests = {wheel.name: hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels.values()}
    return fad | kad, digests


def world(dimension: int, count: int, songs: int, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Reference frames and songs, float32, with a spectrum that falls as an embedding's does."""
    rng = np.random.default_rng([seed, dimension, count])
    spread = np.arange(1, dimension + 1) ** -0.5
    basis = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0] * spread
    reference = rng.normal(size=(count, dimension)) @ basis.T
    lengths = rng.integers(SHORTEST, LONGEST + 1, songs)
    stems = [(rng.normal(size=(n, dimension)) + 0.3 * rng.normal(size=dimension)) @ basis.T for n in lengths]
    return reference.astype(np.float32), [stem.astype(np.float32) for stem in stems]


def seconds_per_song(function: Callable[[list], Any], songs: list, turns: int) -> tuple[float, Any]:
    """Best of ``turns`` runs over all songs, and what the last one returned."""
    best, value = math.inf, None
    for _ in range(turns):
        start = time.perf_counter()
        value = function(songs)
        best = min(best, time.perf_counter() - start)
    return best / len(songs), value


def frechet_case(peers: dict[str, Any], dimension: int, count: int, songs: int, their_songs: int, seed: int) -> dict:
    frames, stems = world(dimension, count, songs, seed)
    start = time.perf_counter()
    reference = ReferenceStatistics.from_frames(frames)
    _ = reference.factor
    prepared = time.perf_counter() - start
    mean, covariance = peers["calc_embd_statistics"](frames.astype(np.float64))

    def theirs(chosen: list[np.ndarray]) -> np.ndarray:
        statistics = (peers["calc_embd_statistics"](stem.astype(np.float64)) for stem in chosen)
        return np.array([peers["calc_frechet_distance"](mean, covariance, *s) for s in statistics])

    ours_seconds, ours = seconds_per_song(lambda s: frechet_distances(s, reference), stems, 5)
    their_seconds, found = seconds_per_song(theirs, stems[:their_songs], 1)
    again, _ = seconds_per_song(lambda s: frechet_distances(s, reference), stems, 5)
    single_seconds, single = seconds_per_song(lambda s: frechet_distances(s, reference, "float32"), stems, 5)
    ours_seconds = max(ours_seconds, again)  # before and after theirs: the slower one counts
    return {
        "dimension": dimension,
        "reference_frames": count,
        "songs": songs,
        "their_songs": their_songs,
        "prepare_seconds": prepared,
        "ours_seconds_per_song": ours_seconds,
        "float32_seconds_per_song": single_seconds,
        "fadtk_seconds_per_song": their_seconds,
        "ratio": their_seconds / ours_seconds,
        "demanded": DEMANDED[dimension],
        "float32_difference": float(np.abs(single - ours).max() / reference.trace),
        "fadtk_difference": float(np.abs(found - ours[:their_songs]).max() / reference.trace),
        "fadtk_difference_signed": float((found - ours[:their_songs]).mean() / reference.trace),
    }


def agreement_case(peers: dict[str, Any], dimension: int, seed: int) -> dict:
    """Where fadtk is itself right: more frames than dimensions on both sides, so that no eigenvalue is spurious."""
    reference_frames, _ = world(dimension, 4 * dimension, 1, seed)
    rng = np.random.default_rng(seed)
    stem = rng.normal(size=(3 * dimension, dimension)) @ np.linalg.cholesky(np.cov(reference_frames.T)).T + 0.01
    mean, covariance = peers["calc_embd_statistics"](reference_frames.astype(np.float64))
    theirs = peers["calc_frechet_distance"](mean, covariance, *peers["calc_embd_statistics"](stem))
    reference = ReferenceStatistics.from_frames(reference_frames)
    difference = abs(float(frechet_distances([stem], reference)[0]) - theirs) / reference.trace
    return {"dimension": dimension, "frames": len(stem), "difference": difference}


def kernel_case(peers: dict[str, Any], dimension: int, count: int, songs: int, their_songs: int, seed: int) -> dict:
    import torch

    frames, stems = world(dimension, count, songs, seed)
    reference = KernelReference.from_frames(frames, most=count)
    baseline = torch.from_numpy(frames)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "stats"

        def theirs(chosen: list[np.ndarray], own: bool = True) -> np.ndarray:
            # Their bandwidth comes from each song; for the comparison of values they are given ours.
            width = None if own else reference.bandwidth
            call = peers["calc_kernel_audio_distance"]
            return np.array([call(baseline, torch.from_numpy(s), (cache, None), "cpu", width).item() for s in chosen])

        theirs(stems[:1])  # fills the cache
        ours_seconds, ours = seconds_per_song(lambda s: kernel_distances(s, reference), stems, 3)
        their_seconds, _ = seconds_per_song(theirs, stems[:their_songs], 3)
        double_seconds, double = seconds_per_song(lambda s: kernel_distances(s, reference, "float64"), stems, 3)
        again, _ = seconds_per_song(lambda s: kernel_distances(s, reference), stems, 3)
        found = theirs(stems[:their_songs], own=False)
    ours_seconds = max(ours_seconds, again)
    return {
        "dimension": dimension,
        "reference_frames": count,
        "ours_seconds_per_song": ours_seconds,
        "double_seconds_per_song": double_seconds,
        "kadtk_seconds_per_song": their_seconds,
        "ratio": their_seconds / ours_seconds,
        "double_ratio": their_seconds / double_seconds,
        "double_difference": float(np.abs(double - ours).max()),
        "kadtk_difference": float(np.abs(found - ours[:their_songs]).max()),
        "typical_score": float(np.median(ours)),
    }


def markdown(frechet: list[dict], agreement: list[dict], kernel: list[dict]) -> str:
    lines = [
        "## Fréchet distance, per song",
        "",
        "| dimension | reference frames | ours, ms | float32 projection, ms | fadtk, ms | ratio | demanded | "
        "fadtk minus ours, / Tr | float32, / Tr |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {c['dimension']} | {c['reference_frames']} | {1e3 * c['ours_seconds_per_song']:.3f} "
        f"| {1e3 * c['float32_seconds_per_song']:.3f} | {1e3 * c['fadtk_seconds_per_song']:.1f} | {c['ratio']:.0f}× "
        f"| ≥ {c['demanded']}× | {c['fadtk_difference_signed']:+.0e} | {c['float32_difference']:.0e} |"
        for c in frechet
    ]
    lines += [
        "",
        "Of a song with fewer frames than dimensions fadtk is off by its spurious eigenvalues (always downwards); ours is "
        "within 1e-10 · Tr of fifty digits (`tests/probes/fad/test_distance.py`).",
        "Where fadtk is itself right, full rank on both sides: "
        + ", ".join(f"D {a['dimension']}, {a['frames']} frames: {a['difference']:.0e} · Tr" for a in agreement)
        + " apart.",
        "",
        "## Kernel distance, per song, kadtk with its cache of the reference on disk (≥ 5× demanded)",
        "",
        "| dimension | reference frames | ours, ms | in float64, ms | kadtk, ms | ratio | float64 ratio | "
        "kadtk minus ours | float64 minus ours |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {c['dimension']} | {c['reference_frames']} | {1e3 * c['ours_seconds_per_song']:.2f} "
        f"| {1e3 * c['double_seconds_per_song']:.2f} | {1e3 * c['kadtk_seconds_per_song']:.1f} | {c['ratio']:.1f}× "
        f"| {c['double_ratio']:.1f}× | {c['kadtk_difference']:.0e} | {c['double_difference']:.0e} |"
        for c in kernel
    ]
    lines += ["", "Differences are of scores of about " + f"{np.median([c['typical_score'] for c in kernel]):.1f}, at "]
    lines[-1] += "the reference's bandwidth on both sides (kadtk's own choice, each song's median, gives other scores)."
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="peers", help="folder with the two wheels")
    parser.add_argument("--out", default="docs/results", help="folder that fad.md and fad.json go to")
    parser.add_argument("--songs", type=int, default=1000)
    parser.add_argument("--their-songs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of the peers: a deprecated sqrtm option, tensors copied twice
    logging.disable(logging.WARNING)
    peers, digests = load_peers(Path(arguments.peers))
    seed, songs, theirs = arguments.seed, arguments.songs, arguments.their_songs
    with threadpool_limits(1):
        frechet = [frechet_case(peers, *case, songs, theirs, seed) for case in CASES]
        agreement = [agreement_case(peers, dimension, seed) for dimension in (128, 512)]
        kernel = [kernel_case(peers, *case, songs // 5, 2 * theirs, seed) for case in KERNEL_CASES]
    figures = {"peers_sha256": digests, "frechet": frechet, "agreement": agreement, "kernel": kernel}
    about = (
        f"seed {seed}, one thread; {songs} songs of {SHORTEST} to {LONGEST} frames in memory (fadtk: the first {theirs}; its "
        "time per song does not depend on the number of frames); one run, ours timed before and after theirs and the slower "
        "one counts"
    )
    command = f"python -m benchmarks.fad --songs {songs} --their-songs {theirs} --seed {seed}"
    page = markdown(frechet, agreement, kernel)
    write(
        arguments.out,
        "fad",
        "Fréchet and kernel distances against fadtk 1.1.0 and kadtk 1.1.0",
        command,
        about,
        page,
        figures,
    )
    print(page)


if __name__ == "__main__":
    main()
