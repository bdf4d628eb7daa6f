"""What `raysep check` finds and costs: copies in every guise, songs that are not one, false alarms, wrong labels.

    python -m benchmarks.check --out docs/results

Rendered songs of 44.1 kHz. Every pair of different songs is compared, remixes that have one or two stems of another song are,
and copies in fifteen guises; each stem of the songs is measured; then a third of the stems of a smaller corpus are spoilt as
in the SDX'23 label-noise set, and ranked by what they sound like. One thread; seconds are of the processor.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.results import write
from raysep.audio import acoustic
from raysep.audio.resample import resample
from raysep.corpus import conditions, manifest, truth
from raysep.corpus.contamination import contaminate
from raysep.corpus.layouts import stems_of
from raysep.corpus.reading import read_stem
from raysep.corpus.songs.synthesis import synthesise
from raysep.corpus.twins import SAME_STEM, Match, Recording, matches
from raysep.evaluation.ranking import auroc
from raysep.probes import checkup, flaws, unusual
from raysep.probes.embedders import registry

RATE, SONGS, SECONDS = 44_100, 64, 20.0  # 2016 pairs
COPIED = 16  # songs that are copied in every guise
SPOILT = 60
Audio = dict[str, np.ndarray]  # label → (channel, time)


def coded(audio: np.ndarray, format: str, subtype: str, level: float) -> np.ndarray:
    """Through a lossy codec; ``level`` 1 is the smallest file."""
    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", RATE, len(audio), subtype, format=format, compression_level=level) as file:
        file.write(audio.T)
    stream.seek(0)
    return np.asarray(soundfile.read(stream, dtype="float32", always_2d=True)[0].T)


def steps(audio: np.ndarray) -> np.ndarray:
    return (np.rint(audio * 2**15) / 2**15).astype(np.float32)


def hiss(audio: np.ndarray, db: float) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(audio.shape).astype(np.float32)
    return audio + noise * np.float32(audio.std() * 10 ** (db / 20))


GUISES: dict[str, Callable[[np.ndarray], tuple[np.ndarray, int]]] = {
    "6 dB quieter, 16 bits": lambda x: (steps(0.5 * x), RATE),
    "20 dB quieter, 16 bits": lambda x: (steps(0.1 * x), RATE),
    "Vorbis, small": lambda x: (coded(x, "OGG", "VORBIS", 0.8), RATE),
    "MP3, small": lambda x: (coded(x, "MP3", "MPEG_LAYER_III", 0.9), RATE),
    "22.05 kHz": lambda x: (resample(x, RATE, 22_050), 22_050),
    "16 kHz": lambda x: (resample(x, RATE, 16_000), 16_000),
    "8 kHz": lambda x: (resample(x, RATE, 8_000), 8_000),
    "48 kHz": lambda x: (resample(x, RATE, 48_000), 48_000),
    "without its first 3.3 s": lambda x: (x[:, round(3.337 * RATE) :], RATE),
    "5.7 s of it": lambda x: (x[:, round(5.317 * RATE) : 11 * RATE], RATE),
    "in mono": lambda x: (x.mean(axis=0, keepdims=True), RATE),
    "left channel alone": lambda x: (x[:1], RATE),
    "inverted": lambda x: (-x, RATE),
    "hiss at -30 dB": lambda x: (hiss(x, -30), RATE),
    "limited": lambda x: (np.tanh(3 * x) / 3, RATE),
}


def printed(name: str, audio: np.ndarray, rate: int = RATE) -> Recording:
    return Recording(name, *acoustic.moments(acoustic.folded(audio, rate)))


def remixes(songs: dict[str, Audio]) -> dict[str, list[Recording]]:
    """Songs with stems of the song before: what is shared → the remixes, each named as the song that lent them."""
    found: dict[str, list[Recording]] = {}
    for (lender, lent), (_, own) in itertools.pairwise(songs.items()):
        for shared in (("drums",), ("drums", "bass")):
            mixed = {label: (lent if label in shared else own)[label] for label in own}
            found.setdefault(" and ".join(shared), []).append(
                printed(f"{lender}<", np.sum(list(mixed.values()), axis=0))
            )
    return found


def twins(songs: dict[str, Audio]) -> dict[str, Any]:
    own = {name: printed(name, np.sum(list(stems.values()), axis=0)) for name, stems in songs.items()}
    stems = [printed(f"{name}/{label}", audio) for name, parts in songs.items() for label, audio in parts.items()]
    guises = {}
    for guise, change in GUISES.items():
        copies = [
            printed(f"{name}=", *change(np.sum(list(songs[name].values()), axis=0))) for name in list(songs)[:COPIED]
        ]
        told = [
            match
            for match in matches([*own.values(), *copies])
            if match.second.endswith("=") or match.first.endswith("=")
        ]
        right = [match for match in told if match.first.rstrip("=") == match.second.rstrip("=")]
        guises[guise] = {
            "found": len(right),
            "of": COPIED,
            "false": len(told) - len(right),
            "least": min((m.share for m in right), default=0),
        }
    shared = {name: sum(map(_of_lender, matches([*own.values(), *each]))) for name, each in remixes(songs).items()}
    return {
        "pairs": len(own) * (len(own) - 1) // 2,
        "false": len(matches(list(own.values()))),
        "stem_pairs": len(stems) * (len(stems) - 1) // 2,
        "false_stems": len(matches(stems, SAME_STEM)),
        "guises": guises,
        "remixes": {name: {"taken for the lender": count, "of": len(songs) - 1} for name, count in shared.items()},
    }


def _of_lender(match: Match) -> bool:
    """Whether a remix is taken for the song that lent it stems. That it is its own song less a stem or two is right."""
    first, second = sorted((match.first, match.second), key=lambda name: name.endswith("<"))
    return second == f"{first}<" and not first.endswith("<")


def alarms(songs: dict[str, Audio]) -> dict[str, Any]:
    """What is told of stems in which nothing is wrong, and the most extreme of each measure."""
    found = [flaws.measure(audio, RATE) for stems in songs.values() for audio in stems.values()]
    told = [one for each in found for one in flaws.flaws_of(each, RATE, 2, "WAV/PCM_16")]
    names = [field.name for field in dataclasses.fields(flaws.Measures)]
    ranges = {
        name: [float(np.nanmin(v)), float(np.nanmax(v))] for name in names for v in [[getattr(m, name) for m in found]]
    }
    return {"stems": len(found), "told": len(told), "ranges": ranges}


def costs(folder: Path) -> dict[str, float]:
    """Seconds of processor an hour of stems, by what the pass does."""
    tracks = list(manifest.tracks_of(stems_of(str(folder)).stems).values())[:COPIED]
    hours = len(tracks) * 4 * SECONDS / 3600
    embedder = registry.build(registry.DEFAULT, RATE)
    ways: dict[str, tuple[bool, Any]] = {
        "fingerprints": (False, None),
        "and measures": (True, None),
        "and sound": (True, embedder),
    }
    found = {}
    for name, (measures, embed) in ways.items():
        checkup.check_track(list(tracks[0].values()), measures, embed)  # what is loaded once is loaded now
        begin = time.process_time()
        for track in tracks[:4] if embed else tracks:
            checkup.check_track(list(track.values()), measures, embed)
        found[name] = (time.process_time() - begin) / hours * (len(tracks) / 4 if embed else 1)
    return found


def rankings(folder: Path) -> dict[str, Any]:
    """How well sound alone ranks the stems of a corpus with a third of wrong labels."""
    synthesise(str(folder / "clean"), SPOILT, 12.0, 16_000, seed=1, workers=1)
    kind = conditions.condition("label-noise")
    contaminate(
        str(folder / "clean"),
        str(folder / "spoilt"),
        str(folder / "t.parquet"),
        kind.share,
        1,
        kinds=kind.kinds,
        workers=1,
    )
    embedder = registry.build(registry.DEFAULT, 16_000)
    wrong = {row["stem_id"]: row["kind"] != truth.CLEAN for row in truth.read(str(folder / "t.parquet"))}
    names, vectors = [], []
    for track, stems in manifest.tracks_of(stems_of(str(folder / "spoilt")).stems).items():
        for label, vector in checkup.check_track(list(stems.values()), False, embedder).vectors.items():
            names.append((track, label))
            vectors.append(vector)
    told = unusual.standings(np.stack(vectors), [label for _, label in names], [track for track, _ in names])
    is_wrong = np.array([wrong[f"{track}/{label}"] for track, label in names])
    found: dict[str, Any] = {"stems": len(names), "wrong": int(is_wrong.sum())}
    for name, values in (("unusual", [s.unusual for s in told]), ("like_other", [s.other for s in told])):
        first = np.argsort(-np.array(values))[:40]
        found[name] = {"auroc": auroc(np.array(values), is_wrong), "wrong_among_first_40": int(is_wrong[first].sum())}
    above = np.array([standing.other > 1 for standing in told])
    return found | {"above_one": int(above.sum()), "wrong_above_one": int(is_wrong[above].sum())}


def page(found: dict[str, Any]) -> str:
    same, told, sound = found["twins"], found["alarms"], found["rankings"]
    lines = [
        "## Twins\n",
        f"{same['false']} of {same['pairs']} pairs of different songs are taken for one, and {same['false_stems']} of "
        f"{same['stem_pairs']} pairs of their stems.\n",
        "| a copy that is | found | false | least share |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {g['found']} of {g['of']} | {g['false']} | {g['least']:.2f} |"
            for name, g in same["guises"].items()
        ),
        "\n| a song that shares with another its | is taken for it |",
        "|---|---:|",
        *(f"| {name} | {r['taken for the lender']} of {r['of']} |" for name, r in same["remixes"].items()),
        "\n## False alarms\n",
        f"{told['told']} things are told of {told['stems']} stems in which nothing is wrong. The extremes of what was measured:\n",
        "| measure | least | most |",
        "|---|---:|---:|",
        *(f"| `{name}` | {low:.4g} | {high:.4g} |" for name, (low, high) in told["ranges"].items()),
        "\n## Rankings\n",
        f"{sound['wrong']} of {sound['stems']} stems carry a wrong label or are two in one. {sound['above_one']} sound more like "
        f"another label than their own, and {sound['wrong_above_one']} of these are wrong.\n",
        "| ranked by | AUROC | wrong among the first 40 |",
        "|---|---:|---:|",
        *(
            f"| `{n}` | {sound[n]['auroc']:.3f} | {sound[n]['wrong_among_first_40']} |"
            for n in ("unusual", "like_other")
        ),
        "\n## Cost\n",
        "| the pass takes | s of processor for an hour of stems |",
        "|---|---:|",
        *(f"| {name} | {seconds:.0f} |" for name, seconds in found["costs"].items()),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results")
    parser.add_argument("--songs", help="folder of songs that an earlier run made, or where they are to be made")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(arguments.songs or Path(scratch) / "songs")
        if not folder.exists():
            synthesise(str(folder), SONGS, SECONDS, RATE, seed=11, workers=1)
        tracks = manifest.tracks_of(stems_of(str(folder)).stems)
        songs = {name: {k: read_stem(s, RATE) for k, s in stems.items()} for name, stems in tracks.items()}
        found = {
            "twins": twins(songs),
            "alarms": alarms(songs),
            "costs": costs(folder),
            "rankings": rankings(Path(scratch)),
        }
    about = f"{SONGS} songs of {SECONDS:g} s at {RATE} Hz, one thread"
    write(
        arguments.out,
        "check",
        "What a check finds, and what it costs",
        "python -m benchmarks.check",
        about,
        page(found),
        found,
    )


if __name__ == "__main__":
    main()
