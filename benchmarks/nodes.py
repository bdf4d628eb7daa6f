"""Scoring on 1, 2, 4 and 8 nodes: how the time falls when a stem takes what it takes, and what it costs on two workers.

    python -m benchmarks.nodes --out docs/results

Every node is a raylet of this machine with one logical CPU, beside a head that does no work. What is timed is the stage ``score``
of one and the same run, which was trained and scored once and begins anew from a copy of its folder.

Fixed cost: a probe of its own (``benchmarks.nodes:SLEEP``) sleeps for each stem, so that a stem takes the same time however
many nodes share the machine's cores; shards are of a track. The whole stage counts the start of the workers, each a process that
imports torch; the steady part is from the moment when every worker has done a shard to that when no further shard waits.

Real audio: rendered songs, without sleep, on one node and on two, in turns: processor seconds that the workers told of, and the
driver's. What they sum up to must not grow with the nodes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import write
from raysep.probes import Probe

SIZES = (1, 2, 4, 8)
TRACKS, REFERENCE_TRACKS, STEM_SECONDS, RATE = 136, 9, 1.5, 8_000
SHARDS = 4096  # of which a track takes one: they are dealt by hash, and next to none has two
SONGS, SONG_SECONDS, SONG_RATE = 24, 24.0, 22_050
ASLEEP = "RAYSEP_BENCHMARK_ASLEEP"  # seconds a stem
SECONDS = 0.5
ROUNDS = 3
LEAST_EFFICIENCY, MOST_APART = 0.9, 0.1
LABELS = ("bass", "drums", "other", "vocals")


def _sleep(stem: Any) -> float:
    time.sleep(float(os.environ.get(ASLEEP, "0")))
    return 0.0


SLEEP = Probe("sleep", "stem", (), False, "benchmarks/nodes.py", _sleep)


# Corpora


def write_noise(folder: Path, tracks: int, prefix: str, seed: int) -> str:
    import soundfile

    rng = np.random.default_rng(seed)
    for track in range(tracks):
        (folder / f"{prefix}-{track:03d}").mkdir(parents=True)
        for label in LABELS:
            noise = rng.integers(-9000, 9000, round(STEM_SECONDS * RATE), dtype=np.int16)
            soundfile.write(folder / f"{prefix}-{track:03d}" / f"{label}.wav", noise, RATE, subtype="PCM_16")
    return str(folder)


def write_songs(folder: Path, songs: int, prefix: str, seed: int) -> str:
    from raysep.corpus.songs.synthesis import synthesise

    synthesise(str(folder), songs, SONG_SECONDS, SONG_RATE, seed, workers=1, prefix=prefix)
    return str(folder)


# Runs


def command(out: Path, corpus: str, reference: str, settings: Iterable[str]) -> list[str]:
    words = ["score", corpus, "--reference", reference, "--out", str(out), "--preset", "smallest", "--quiet"]
    return [*words, *(word for each in settings for word in ("--set", each))]


def scored(words: list[str], address: str) -> None:
    from tests.cluster import drivers

    script = f"import sys; sys.argv = {['raysep', *words, '--address', address]!r}; from raysep.cli import main; main()"
    driver = drivers.start(script, RAYSEP_SHARED_FOLDERS="1", OMP_NUM_THREADS="1")
    _, error = driver.communicate()
    if driver.returncode:
        raise SystemExit(f"a run ended with code {driver.returncode}: {error}")


def unscored(before: Path, after: Path) -> Path:
    """A copy of a run as it is before it scores."""
    shutil.copytree(
        before, after, ignore=shutil.ignore_patterns("scores", "stems.parquet", "failed.parquet", "events*")
    )
    shutil.rmtree(after / "done" / "score", ignore_errors=True)
    (after / "done" / "score.json").unlink(missing_ok=True)
    return after


def of_stage(out: Path) -> dict[str, Any]:
    """What the log and the ledger of a run say of its scoring."""
    from raysep import events

    record = json.loads((out / "run.json").read_text(encoding="utf-8"))["stages"]["score"]
    told = [event for event in events.read(str(out)) if event.get("stage") == "score"]
    done = [event for event in told if event["kind"] == "shard-done"]
    up = [(event["at"], event["workers"]) for event in told if event["kind"] == "pool-resized"]
    return {
        "seconds": record["seconds"],
        "stems": record["stems"],
        "processor_seconds": record["ledger"]["cpu_seconds"],
        "of_workers": sum(event["cpu_seconds"] for event in done),
        "shard_seconds": statistics.mean(event["seconds"] for event in done),
        "done": [at(event["at"]) for event in done],
        "up": [(at(when), workers) for when, workers in up],
    }


def at(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def steady(done: list[float], up: list[tuple[float, int]], nodes: int) -> tuple[float, float]:
    """Shards a second while all work, and for how many seconds that is: see above."""
    all_up = next(when for when, workers in up if workers >= nodes)
    first = sum(moment <= all_up for moment in done) + nodes
    last = len(done) - nodes  # then the last ones are in hand
    if last <= first:
        return float("nan"), 0.0
    lasted = done[last - 1] - done[first - 1]
    return (last - first) / lasted, lasted


# Measurements


def asleep(cluster: Any, base: Path, words: list[str], folder: Path, sizes: Iterable[int]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    there = 0
    for nodes in sizes:
        for number in range(there, nodes):
            cluster.add(f"node-{number}", num_cpus=1)
        there = nodes
        out = unscored(base, folder / f"asleep-{nodes}")
        scored([str(out) if word == str(base) else word for word in words], cluster.address)
        found = of_stage(out)
        rate, lasted = steady(found["done"], found["up"], nodes)
        row = {"nodes": nodes, "rate": rate, "steady_seconds": lasted, "load": os.getloadavg()[0], **found}
        row["until_all_up"] = next(when for when, workers in found["up"] if workers >= nodes) - found["done"][0]
        rows.append({name: value for name, value in row.items() if name not in ("done", "up")})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def awake(folder: Path, base: Path, words: list[str], rounds: int) -> list[dict[str, Any]]:
    from tests.cluster import drivers

    rows = []
    for number in range(rounds):
        for nodes in (1, 2):
            cluster = drivers.Nodes()
            for node in range(nodes):
                cluster.add(f"node-{node}", num_cpus=1)
            out = unscored(base, folder / f"awake-{number}-{nodes}")
            scored([str(out) if word == str(base) else word for word in words], cluster.address)
            cluster.end()
            found = of_stage(out)
            rows.append(
                {"nodes": nodes, **{name: found[name] for name in ("seconds", "processor_seconds", "of_workers")}}
            )
            print(json.dumps(rows[-1]), flush=True)
    return rows


# The page


def page(rows: list[dict[str, Any]], real: list[dict[str, Any]]) -> str:
    lines: list[str] = []
    if rows:
        one = rows[0]
        shards = "a shard is a track of four stems"
        lines += [
            f"{one['stems']} stems of noise, of which each sleeps {SECONDS:g} s; {shards}, so {one['shard_seconds']:.2f} s on one node.\n",
            "| nodes | whole stage, s | efficiency | steady, shards a second | for s | efficiency | a shard, s | processor, s | load |",
            "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
            *(
                f"| {row['nodes']} | {row['seconds']:.1f} | {one['seconds'] / row['nodes'] / row['seconds']:.0%} | {row['rate']:.3f} | "
                f"{row['steady_seconds']:.0f} | **{row['rate'] / row['nodes'] / one['rate']:.0%}** | {row['shard_seconds']:.2f} | "
                f"{row['processor_seconds']:.0f} | {row['load']:.1f} |"
                for row in rows
            ),
        ]
        worst = min(row["rate"] / row["nodes"] / one["rate"] for row in rows)
        lines.append(
            f"\nTarget: {LEAST_EFFICIENCY:.0%} at every size: {'met' if worst >= LEAST_EFFICIENCY else 'missed'}, {worst:.0%} in the steady part."
        )
    if real:
        by = {nodes: [row for row in real if row["nodes"] == nodes] for nodes in (1, 2)}
        medians = {nodes: statistics.median(row["processor_seconds"] for row in each) for nodes, each in by.items()}
        lines += [
            f"\n## Real audio\n\n{SONGS} rendered songs of {SONG_SECONDS:g} s at {SONG_RATE} Hz, rounds in turns.\n",
            "| workers | processor, s (by the run's ledger) | of these the workers' | the stage, s |",
            "|---:|---|---|---|",
            *(
                f"| {nodes} | {told(each, 'processor_seconds')} | {told(each, 'of_workers')} | {told(each, 'seconds')} |"
                for nodes, each in by.items()
            ),
        ]
        apart = medians[2] / medians[1] - 1
        lines.append(
            f"\nTarget: within {MOST_APART:.0%}: {'met' if abs(apart) <= MOST_APART else 'missed'}, {apart:+.1%} by the medians."
        )
    return "\n".join(lines)


def told(rows: list[dict[str, Any]], name: str) -> str:
    return ", ".join(f"{row[name]:.1f}" for row in rows)


def main() -> None:
    from tests.cluster import drivers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=SIZES, help="nodes, of the fixed cost; the first one counts as one"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the real audio; 0 = none")
    parser.add_argument("--tracks", type=int, default=TRACKS)
    arguments = parser.parse_args()
    begin = time.perf_counter()
    rows: list[dict[str, Any]] = []
    real: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if arguments.sizes:
            corpus = write_noise(folder / "noise", arguments.tracks, "track", 1)
            reference = write_noise(folder / "trusted", REFERENCE_TRACKS, "reference", 2)
            settings = ("scoring.probes=[benchmarks.nodes:SLEEP]", f"scoring.shards={SHARDS}")
            words = command(folder / "base", corpus, reference, settings)
            scored(words, "local")
            cluster = drivers.Nodes(**{ASLEEP: str(SECONDS), "PYTHONPATH": os.getcwd()})
            rows = asleep(cluster, folder / "base", words, folder, arguments.sizes)
            cluster.end()
        if arguments.rounds:
            corpus = write_songs(folder / "songs", SONGS, "song", 3)
            reference = write_songs(folder / "trusted-songs", REFERENCE_TRACKS, "reference", 4)
            words = command(folder / "real", corpus, reference, ("scoring.most_segments=24",))
            scored(words, "local")
            real = awake(folder, folder / "real", words, arguments.rounds)
    sizes = "" if tuple(arguments.sizes) == SIZES else f" --sizes {' '.join(map(str, arguments.sizes))}"
    rounds = "" if arguments.rounds == ROUNDS else f" --rounds {arguments.rounds}"
    tracks = "" if arguments.tracks == TRACKS else f" --tracks {arguments.tracks}"
    write(
        arguments.out,
        "nodes",
        "Scoring on several nodes",
        f"python -m benchmarks.nodes{sizes}{rounds}{tracks}",
        f"seeds 1 to 4, {time.perf_counter() - begin:.0f} s; all nodes on this one machine, whose cores other work shared",
        page(rows, real),
        {"asleep": rows, "real": real},
    )
    print(page(rows, real))


if __name__ == "__main__":
    main()
