"""What a cleaning takes of a cluster for a thousand, a hundred thousand and a million tracks, until it is decided.

    python -m benchmarks.costs --out docs/results

The estimate of `raysep clean --dry-run` for a corpus of songs of four minutes (four stems each, FLAC in stereo at 44.1 kHz, in an object
store), with a reference of a hundred such songs and the preset ``full``. How fast a core reads and embeds is what `benchmarks.throughput`
and `benchmarks.embedding_speed` left in the results; what the network takes is measured here, on noise, by one thread in seconds of the
processor. Money follows from a price of a core's hour and of a thousand requests.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.results import write
from raysep import config as settings
from raysep.commands.clean import estimate
from raysep.commands.clean.estimate import Amount, Parts, Row, Speed

TRACKS = (1_000, 100_000, 1_000_000)
REFERENCE_TRACKS, LABELS, SONG_SECONDS, RATE = 100, 4, 240.0, 44_100
READING = "and its content compared"  # of the steps of benchmarks.throughput
FORWARDS, STEPS = 3, 3
BYTES_A_SECOND = 90_000  # of FLAC: half of what the samples take
CORE_HOUR, THOUSAND_REQUESTS = 0.05, 0.0004  # in one currency; see the page


def speed_of(results: Path, config: Any) -> Speed:
    reading = json.loads((results / "throughput.json").read_text(encoding="utf-8"))["steps"]
    decode = next(each["times_real_time"] for each in reading if each["step"] == READING)
    embed = json.loads((results / "embedding-speed.json").read_text(encoding="utf-8"))["whole"]
    forward, step, parameters = of_network(config)
    return Speed(decode, embed, forward, step, parameters)


def of_network(config: Any) -> tuple[float, float, int]:
    """Seconds of the processor that a segment's forward pass takes, and a step of a training; the network's parameters."""
    import torch

    from raysep.probes.losses import losses_of
    from raysep.separators import registry
    from raysep.training import loop
    from raysep.training.network import network_arguments

    torch.set_num_threads(1)
    network = registry.build(config.network.model, **network_arguments(config, RATE, 2))
    scoring, training = config.scoring, config.training
    size = len(config.labels), 2
    heard = 0.1 * torch.randn(scoring.batch, *size, round(scoring.segment_seconds * RATE))
    network.eval()
    begin = time.process_time()
    for _ in range(FORWARDS):
        losses_of(network, heard.sum(dim=1), heard, scoring.batch)
    forward = (time.process_time() - begin) / FORWARDS / scoring.batch
    batch = 0.1 * torch.randn(training.batch, *size, round(training.segment_seconds * RATE))
    network.set_input_statistics(batch.sum(dim=1))
    recipe = settings.recipe_of(
        training, STEPS, save_steps=(), seed=0, validate_every=0, patience=0, schedule="constant"
    )
    begin = time.process_time()
    loop.train(network, lambda step: [batch.numpy()], recipe)
    return forward, (time.process_time() - begin) / STEPS, sum(each.numel() for each in network.parameters())


def amount(tracks: int, config: Any) -> Amount:
    stems = tracks * LABELS
    scoring = config.scoring
    each = min(scoring.most_segments, -(-int(SONG_SECONDS) // int(scoring.segment_seconds)))
    return Amount(
        stems, tracks, stems * SONG_SECONDS, round(stems * SONG_SECONDS * BYTES_A_SECOND), stems, stems * each
    )


def rows_for(tracks: int, config: Any, speed: Speed) -> list[Row]:
    """A row a stage, the network's time apart from the rest as if a GPU took it."""
    corpus, reference = amount(tracks, config), amount(REFERENCE_TRACKS, config)
    parts = Parts(corpus, reference, reference, corpus + reference, tested_apart=False)
    return estimate.estimate(config, parts, replace(speed, gpu=True), 2 * RATE * 2, search=False, until="decide")


def figures(tracks: int, config: Any, speed: Speed) -> dict[str, Any]:
    rows = rows_for(tracks, config, speed)
    every = estimate.total(rows)
    hours = every.cpu_seconds / 3600
    return {
        "tracks": tracks,
        "stem_hours": tracks * LABELS * SONG_SECONDS / 3600,
        "terabytes": amount(tracks, config).bytes / 1e12,
        "stages": {
            row.stage: {"core_hours": row.cpu_seconds / 3600, "network_hours": row.gpu_seconds / 3600} for row in rows
        },
        "core_hours": hours,
        "network_hours": every.gpu_seconds / 3600,
        "requests": every.read.requests,
        "read_terabytes": every.read.bytes / 1e12,
        "money": (hours + every.gpu_seconds / 3600) * CORE_HOUR + every.read.requests / 1000 * THOUSAND_REQUESTS,
    }


def page(found: list[dict[str, Any]], speed: Speed) -> str:
    stages = [stage for stage in found[0]["stages"] if stage != "scan"]
    lines = [
        f"A core here reads {speed.decode:.0f} seconds of audio in a second and embeds {speed.embed:.0f}; the network takes "
        f"{1000 * speed.forward:.0f} ms for a segment and {speed.step:.1f} s for a step of a training. All else are the estimate's assumptions.\n",
        line("", [f"{each['tracks']:,} tracks" for each in found]),
        "|---|" + "---:|" * len(found),
        line("hours of stems", [f"{each['stem_hours']:,.0f}" for each in found]),
        line("terabytes of FLAC", [f"{each['terabytes']:.2f}" for each in found]),
        line("terabytes read", [f"{each['read_terabytes']:.2f}" for each in found]),
        line("requests", [f"{each['requests']:,}" for each in found]),
        *(
            line(f"{stage}: core-hours, and the networks'", [cell(each["stages"][stage]) for each in found])
            for stage in stages
        ),
        line("**all: core-hours without the networks**", [f"**{each['core_hours']:,.0f}**" for each in found]),
        line("all: the networks', on a core", [f"{each['network_hours']:,.0f}" for each in found]),
        line("hours on 8 nodes of 16 cores", [f"{(e['core_hours'] + e['network_hours']) / 128:,.1f}" for e in found]),
        line("money, all of it on cores", [f"{each['money']:,.0f}" for each in found]),
    ]
    lines += [
        "",
        f"Money is at {CORE_HOUR} for a core's hour and {THOUSAND_REQUESTS} for a thousand requests: put in what you pay. The "
        "networks' hours (the embedder's among them) are a core's; of a GPU they were not measured here, `raysep clean --dry-run` on a GPU node does that.",
    ]
    return "\n".join(lines)


def cell(stage: dict[str, float]) -> str:
    return f"{stage['core_hours']:,.1f} + {stage['network_hours']:,.1f}"


def line(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(each.replace(',', ' ') for each in cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results", help="where the other results are, too")
    arguments = parser.parse_args()
    config = settings.preset("full")
    speed = speed_of(Path(arguments.out), config)
    found = [figures(tracks, config, speed) for tracks in TRACKS]
    told = {name: value for name, value in asdict(speed).items() if name != "measured"}
    about = "one thread, on cores that other work shared; preset full, 100 trusted tracks, until the decision"
    write(
        arguments.out,
        "costs",
        "What a cleaning takes of a cluster",
        "python -m benchmarks.costs",
        about,
        page(found, speed),
        {"sizes": found, "speed": told},
    )
    print(page(found, speed))


if __name__ == "__main__":
    main()
