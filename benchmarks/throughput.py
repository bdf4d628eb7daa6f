"""How fast one core reads stems: decode, content hash, resample, level, log-mel, against what libsndfile alone takes.

    python -m benchmarks.throughput --out docs/results

Stems of rendered songs, stereo at 44.1 kHz, as FLAC files of 16 bits. Each row does what the row above does and one thing more, as
the scoring pass does it. One thread, rounds in turns so that a machine that slows down slows all; seconds are of the processor, and
the least of all rounds counts: what others do on the machine only adds to it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import write
from raysep.audio.files import decode, encode
from raysep.audio.levels import rms_dbfs
from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem
from raysep.corpus.songs.synthesis import synthesise
from raysep.probes.embedders.base import Embedder, audible_frames
from raysep.probes.embedders.registry import build

RATE, SCORED_RATE = 44_100, 22_050  # Hz: of the files, and of a separator that hears half of it
SONGS, SECONDS, ROUNDS = 4, 30.0, 3
SEGMENT_SECONDS = 4.0
DEMANDED = 1000.0  # times real time, of all of it
ALL = "and log-mel of a second each half second"


def write_flacs(folder: Path) -> list[Stem]:
    """The songs' stems as FLAC."""
    with tempfile.TemporaryDirectory() as scratch:
        synthesise(scratch, SONGS, SECONDS, RATE, seed=5, workers=1)
        for track, parts in manifest.tracks_of(stems_of(scratch).stems).items():
            (folder / track).mkdir(parents=True)
            for label, stem in parts.items():
                (folder / track / f"{label}.flac").write_bytes(encode(read_stem(stem, RATE), RATE, "FLAC"))
    return stems_of(str(folder)).stems


def alone(stem: Stem) -> None:
    """The floor: what any reader of this file has to do."""
    import soundfile

    soundfile.read(stem.uri, dtype="float32", always_2d=True)


def levels(audio: np.ndarray) -> list[float]:
    length = round(SEGMENT_SECONDS * SCORED_RATE)
    return [rms_dbfs(audio[:, at : at + length]) for at in range(0, audio.shape[1], length)]


def steps(embedder: Embedder) -> dict[str, Callable[[Stem], Any]]:
    def levelled(stem: Stem) -> np.ndarray:
        audio = read_stem(stem, SCORED_RATE)
        levels(audio)
        return audio

    return {
        "libsndfile alone": alone,
        "decode, its length looked into": lambda stem: decode(Path(stem.uri).read_bytes(), stem.uri),
        "and its content compared": lambda stem: read_stem(stem, RATE),
        f"and resampled to {SCORED_RATE} Hz": lambda stem: read_stem(stem, SCORED_RATE),
        f"and the level of each {SEGMENT_SECONDS:g} s": levelled,
        ALL: lambda stem: audible_frames(embedder, levelled(stem), SCORED_RATE),
    }


def measured(stems: list[Stem]) -> list[dict[str, Any]]:
    seconds = sum(stem.frames / stem.sample_rate for stem in stems)
    work = steps(build("logmel", SCORED_RATE))
    taken: dict[str, list[float]] = {name: [] for name in work}
    for number in range(ROUNDS + 1):
        for name, step in work.items():
            begin = time.process_time()
            for stem in stems:
                step(stem)
            if number:  # in the first what is loaded once is loaded
                taken[name].append(time.process_time() - begin)
    floor = min(taken["libsndfile alone"])
    return [
        {
            "step": name,
            "times_real_time": seconds / min(each),
            "slowest_round": seconds / max(each),
            "of_floor": min(each) / floor,
        }
        for name, each in taken.items()
    ]


def page(rows: list[dict[str, Any]], stem_count: int) -> str:
    lines = [
        f"{stem_count} stems of {SECONDS:g} s. Times real time, by one core: an hour of one stem at 1000 takes 3.6 s.\n",
        "| what is done | times real time | in the slowest round | seconds, libsndfile alone = 1 |",
        "|---|---:|---:|---:|",
        *(
            f"| {row['step']} | {row['times_real_time']:.0f} | {row['slowest_round']:.0f} | {row['of_floor']:.2f} |"
            for row in rows
        ),
    ]
    reached = next(row["times_real_time"] for row in rows if row["step"] == ALL)
    verdict = "met" if reached >= DEMANDED else "missed"
    floor = rows[0]["times_real_time"]
    lines.append(
        f"\nTarget: all of it at {DEMANDED:.0f} times real time: {verdict}, {reached:.0f}. libsndfile's decoder alone reaches "
        f"{floor:.0f} here."
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        stems = write_flacs(Path(scratch) / "flac")
        rows = measured(stems)
    about = f"{ROUNDS} rounds, one thread, on cores that other work shared"
    write(
        arguments.out,
        "throughput",
        "How fast a core reads stems",
        "python -m benchmarks.throughput",
        about,
        page(rows, len(stems)),
        {"steps": rows},
    )


if __name__ == "__main__":
    main()
