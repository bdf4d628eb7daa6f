"""How fast one core reads stems: decode, content hash, resample, level, log-mel, against what libsndfile alone takes.

    python -m benchmarks.throughput --out docs/results

Stems of rendered songs, stereo at 44.1 kHz, as FLAC files of 16 bits. Each row does what the row above does and one thing more, as
the scoring pass does it; the last one at the files' own rate, at which a run scores unless it is told another. One thread, stem by
stem in turns so that a machine that slows down slows all; seconds are of the processor, and the least of all rounds counts for each
stem: what others do on the machine only adds to it. Other decoders are measured where their packages are installed; raysep needs none
of them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
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
from raysep.probes.embedders.base import audible_frames
from raysep.probes.embedders.registry import build

RATE, SCORED_RATE = 44_100, 22_050  # Hz: of the files, and of a separator that hears half of it
SONGS, SECONDS, ROUNDS = 4, 30.0, 7
SEGMENT_SECONDS = 4.0
DEMANDED = 1000.0  # times real time, of all of it
FLOOR = "libsndfile alone"
REASONS = """
raysep stays with libsndfile. dr_flac passes over a frame whose check does not hold and says nothing of it: of a stem of 1323000 samples in
which one byte was changed 1314808 came, without an error, and what followed was 0.2 s early; libsndfile and raysep refuse the file. It is also
a decoder of its own for one of the formats. ffmpeg's is no faster, and neither are other types of samples (16 and 32 bits, float), sizes
of blocks, or a file by its name instead of its bytes: all within the noise of this machine.
"""
ALL = "and log-mel of a second each half second"
OWN_RATE = f"the same at the files' own {RATE} Hz"


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


def others() -> dict[str, Callable[[Stem], Any]]:
    """Decoders of other packages, where they are installed: all samples of a file, in whatever form costs least."""
    found: dict[str, Callable[[Stem], Any]] = {}
    with suppress(ImportError):
        import av

        def by_ffmpeg(stem: Stem) -> None:
            with av.open(stem.uri) as container:
                container.streams.audio[0].thread_count = 1
                for _ in container.decode(audio=0):
                    pass

        found[f"ffmpeg alone, through PyAV {version('av')}"] = by_ffmpeg
    with suppress(ImportError):
        import miniaudio

        found[f"dr_flac alone, through miniaudio {version('miniaudio')}"] = lambda stem: miniaudio.flac_read_file_s16(
            stem.uri
        )
    return found


def levels(audio: np.ndarray, rate: int) -> list[float]:
    length = round(SEGMENT_SECONDS * rate)
    return [rms_dbfs(audio[:, at : at + length]) for at in range(0, audio.shape[1], length)]


def steps() -> dict[str, Callable[[Stem], Any]]:
    embedders = {rate: build("logmel", rate) for rate in (SCORED_RATE, RATE)}

    def levelled(stem: Stem, rate: int = SCORED_RATE) -> np.ndarray:
        audio = read_stem(stem, rate)
        levels(audio, rate)
        return audio

    def scored(stem: Stem, rate: int) -> np.ndarray:
        return audible_frames(embedders[rate], levelled(stem, rate), rate)

    return others() | {
        FLOOR: alone,
        "decode, its length looked into": lambda stem: decode(Path(stem.uri).read_bytes(), stem.uri),
        "and its content compared": lambda stem: read_stem(stem, RATE),
        f"and resampled to {SCORED_RATE} Hz": lambda stem: read_stem(stem, SCORED_RATE),
        f"and the level of each {SEGMENT_SECONDS:g} s": levelled,
        ALL: lambda stem: scored(stem, SCORED_RATE),
        OWN_RATE: lambda stem: scored(stem, RATE),
    }


def measured(stems: list[Stem]) -> list[dict[str, Any]]:
    seconds = sum(stem.frames / stem.sample_rate for stem in stems)
    work = steps()
    taken = {name: np.zeros((ROUNDS, len(stems))) for name in work}
    for number in range(-1, ROUNDS):  # in the first what is loaded once is loaded
        for place, stem in enumerate(stems):
            for name, step in work.items():
                begin = time.process_time()
                step(stem)
                if number >= 0:
                    taken[name][number, place] = time.process_time() - begin
    least = {name: float(each.min(axis=0).sum()) for name, each in taken.items()}
    return [
        {
            "step": name,
            "times_real_time": seconds / least[name],
            "slowest_round": seconds / float(each.sum(axis=1).max()),
            "of_floor": least[name] / least[FLOOR],
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
    at = {row["step"]: row["times_real_time"] for row in rows}
    verdict = "met" if at[ALL] >= DEMANDED else "missed"
    rest = 1 / (1 / at[ALL] - 1 / at[FLOOR])
    fastest = max((name for name in at if "alone" in name), key=lambda name: at[name])
    lines.append(
        f"\nTarget: all of it at {DEMANDED:.0f} times real time: {verdict}, {at[ALL]:.0f}, and {at[OWN_RATE]:.0f} where nothing is "
        f"resampled. libsndfile's decoder alone reaches {at[FLOOR]:.0f} here, all that follows it {rest:.0f} by itself. The fastest "
        f"decoder that was tried is {fastest}, {at[fastest]:.0f}: with it all would come to "
        f"{1 / (1 / at[fastest] + 1 / rest):.0f}.\n{REASONS}"
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
