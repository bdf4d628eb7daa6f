"""What a run costs its driver by the number of stems: seconds and peak memory of everything that hears no audio.

    python -m benchmarks.scale --out docs/results

A run is made up: its manifest, whose rows share four small files, and the parts of its scoring pass, two segments a stem, all of
raysep's probes, of labels that differ, of songs, of faults. A fifth of the stems is wrong, a few are silent, a few could not be
read. Every step is a process of its own:

    plan         the manifests read, their digest, the shards of the scoring pass, the plan of the training
    decide       from the parts of the scores to the decision, the cleaned manifest and the summary
    report       the page
    export plan  which files `raysep export --form copies` would write

Memory is the process's peak (resident), and before the step, with everything imported. With ``--kept FILE`` every row is a line of
that file as soon as it is measured, and what has one is not measured again.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.results import write

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LABELS = ("bass", "drums", "other", "vocals")
REFERENCE_TRACKS, COPIES = 60, 2  # as calibration, and how often each is planted
SEGMENTS = 2
TRACKS_A_PART = 1000
WRONG, SILENT, FAILED, SWAPPED = 0.2, 0.03, 0.001, 0.02  # shares of the corpus's stems, of its tracks the last
KINDS = ("swap", "merge", "clip", "lowpass")
RATE, FRAMES = 8_000, 8_000
TARGET_STEMS, TARGET_SECONDS, TARGET_MIB, TARGET_BYTES = 1_000_000, 120, 4096, 1024
STEPS = ("plan", "decide", "report", "export plan")


# The run


def make_run(folder: Path, stems: int, seed: int = 0) -> str:
    """A run that has been scored; its folder."""
    from raysep import config as settings
    from raysep.rundir import Run

    rng = np.random.default_rng(seed)
    run = Run(str(folder / "run"))
    tracks = stems // len(LABELS)
    audio = write_audio(folder)
    evidence = [f"reference-{k:03d}" for k in range(REFERENCE_TRACKS)]
    copies = [f"planted-{copy}-{track}" for track in evidence for copy in range(COPIES)]
    run.open("scale", {"config": settings.to_dict(settings.preset("full")), "corpus": str(folder), "stems": {}})
    manifest_of(tracks_named(tracks), audio, str(folder / "run" / "manifest.parquet"))
    manifest_of(evidence, audio, run.path("reference.parquet"))
    manifest_of(copies, audio, run.path("planted.parquet"))
    kinds = {f"{track}/{label}": KINDS[int(rng.integers(len(KINDS)))] for track in copies for label in LABELS}
    run.write_table(roles_of(evidence, kinds), "roles.parquet")
    run.write_table(pa.table({name: pa.array([], pa.string()) for name in FAILED_COLUMNS}), "failed.parquet")
    run.write_table(results(), "results.parquet")
    probes = Probes(rng)
    (folder / "run" / "scores").mkdir()
    everything = [*evidence, *copies, *tracks_named(tracks)]
    for number, first in enumerate(range(0, len(everything), TRACKS_A_PART)):
        part = probes.part(everything[first : first + TRACKS_A_PART], kinds)
        pq.write_table(part, folder / "run" / "scores" / f"part-{number:05d}.parquet")
    return run.root


FAILED_COLUMNS = ("stem_id", "track", "stem", "uri", "error", "message")


def tracks_named(count: int) -> list[str]:
    return [f"track-{number:07d}" for number in range(count)]


def write_audio(folder: Path) -> dict[str, tuple[str, int]]:
    """label → address and bytes."""
    from raysep.audio.files import encode

    found = {}
    for k, label in enumerate(LABELS):
        data = encode(0.1 * np.sin(np.arange(FRAMES, dtype=np.float32) * (0.02 * (k + 1)))[None], RATE)
        (folder / f"{label}.wav").write_bytes(data)
        found[label] = (str(folder / f"{label}.wav"), len(data))
    return found


def manifest_of(tracks: list[str], audio: dict[str, tuple[str, int]], file: str) -> None:
    from raysep.corpus.manifest import SCHEMA

    count = len(tracks) * len(LABELS)
    track = np.repeat(np.array(tracks, dtype=object), len(LABELS))
    label = np.tile(np.array(LABELS, dtype=object), len(tracks))
    alike = {"sample_rate": RATE, "channels": 1, "frames": FRAMES, "format": "WAV/PCM_16", "split": "train"}
    columns = {
        "stem_id": track + "/" + label,
        "track": track,
        "stem": label,
        "uri": [audio[name][0] for name in label],
        "bytes": [audio[name][1] for name in label],
        "etag": [f"{number:032x}" for number in range(count)],
        "problem": [""] * count,
        "padding": np.zeros(count, dtype=np.int64),
        "modified": np.zeros(count, dtype=np.int64),
        **{name: [value] * count for name, value in alike.items()},
    }
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(count, f.type) for f in SCHEMA]
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA), file)


def roles_of(evidence: list[str], kinds: dict[str, str]) -> pa.Table:
    rows = [(f"{track}/{label}", "calibration", "clean", track) for track in evidence for label in LABELS]
    rows += [
        (stem_id, "planted", kind, stem_id.split("/")[0].split("-", 2)[2]) for stem_id, kind in sorted(kinds.items())
    ]
    names = ("stem_id", "role", "kind", "origin")
    return pa.table(
        {name: pa.array(column, pa.string()) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    )


def results() -> pa.Table:
    """Of two arms, three test tracks and a seed."""
    rng = np.random.default_rng(0)
    rows = [
        {"arm": arm, "seed": 0, "track": f"test-{t}", "stem": label, "sdr": float(rng.normal(mean, 1))}
        | {"framewise_sdr": float(rng.normal(mean, 1)), "residue": None, "trained_stems": 4}
        for arm, mean in (("contaminated", 4.0), ("cleaned", 5.0))
        for t in range(3)
        for label in LABELS
    ]
    return pa.Table.from_pylist(rows)


class Probes:
    """Made-up scores: labels with levels of their own, songs, what probes have in common, faults that move them."""

    def __init__(self, rng: np.random.Generator) -> None:
        from raysep.probes.catalogue import PROBES
        from raysep.probes.likeness import LIKENESSES

        self.rng, self.probes, self.likenesses = rng, list(PROBES.values()), list(LIKENESSES.values())
        count = len(self.probes)
        self.level = 3 * rng.standard_normal((len(LABELS), count))
        self.spread = np.exp(0.4 * rng.standard_normal((len(LABELS), count)))
        self.common = 0.5 * rng.standard_normal((4, count))
        oriented = np.array([probe.oriented for probe in self.probes])
        seen = rng.random((len(KINDS), count)) < 0.4  # by which probe each kind is
        self.effect = np.where(oriented, -1, rng.choice([-1, 1], count)) * seen * rng.uniform(0.5, 3, seen.shape)

    def part(self, tracks: list[str], kinds: dict[str, str]) -> pa.Table:
        """The rows of some tracks, as the scoring pass leaves them."""
        from raysep.probes import stored

        rng, stems, wide = self.rng, len(tracks) * len(LABELS), len(self.probes)
        track = np.repeat(np.array(tracks, dtype=object), len(LABELS))
        label = np.tile(np.arange(len(LABELS)), len(tracks))
        stem_id = track + "/" + np.array(LABELS, dtype=object)[label]
        corpus = np.array([name.startswith("track-") for name in track])
        wrong = np.where(corpus, rng.random(stems) < WRONG, [name in kinds for name in stem_id])
        kind = np.array([KINDS.index(kinds[n]) if n in kinds else rng.integers(len(KINDS)) for n in stem_id])
        size = wrong * rng.choice([0.5, 1.0, 1.6], stems)
        song = np.repeat(0.4 * rng.standard_normal((len(tracks), wide)), len(LABELS), axis=0)
        score = song + rng.standard_normal((stems, 4)) @ self.common + 0.6 * rng.standard_normal((stems, wide))
        score = self.level[label] + self.spread[label] * (score + size[:, None] * self.effect[kind])
        drawn = rng.random(stems) * ~corpus + corpus * rng.random(stems)
        outcome = np.where(
            corpus & (drawn < FAILED), "failed", np.where(corpus & (drawn > 1 - SILENT), "silent", "scored")
        )
        silent = np.repeat(outcome != "scored", SEGMENTS)
        rows = np.repeat(np.arange(stems), SEGMENTS)
        each = score[rows] + 0.3 * rng.standard_normal((len(rows), wide)) * np.array(
            [p.context != "stem" for p in self.probes]
        )
        columns: dict[str, Any] = {
            "track": track[rows],
            "stem": np.array(LABELS, dtype=object)[label][rows],
            "stem_id": stem_id[rows],
            "segment": pa.array(np.tile(np.arange(SEGMENTS), stems), pa.int32()),
            "start": np.tile(np.arange(SEGMENTS) * 6.0, stems),
            "seconds": np.full(len(rows), 6.0),
            "outcome": outcome[rows].tolist(),
            "error": pa.nulls(len(rows), pa.string()),
            "message": pa.nulls(len(rows), pa.string()),
            "level_dbfs": pa.array(rng.normal(-20, 4, len(rows)), pa.float32()),
        }
        for probe, values in zip(self.probes, each.T, strict=True):
            columns[probe.name] = pa.array(values.astype(np.float32), mask=silent)
        sounds = label.copy()
        swapped = np.flatnonzero(corpus[:: len(LABELS)] & (rng.random(len(tracks)) < SWAPPED)) * len(LABELS)
        sounds[swapped], sounds[swapped + 1] = label[swapped + 1], label[swapped]
        for like in self.likenesses:
            values = rng.standard_normal((stems, len(LABELS)))
            values[np.arange(stems), sounds] += 8
            flat = pa.array(values[rows].astype(np.float32).ravel())
            offsets = pa.array(np.arange(0, flat.__len__() + 1, len(LABELS)), pa.int32())
            lists = pa.ListArray.from_arrays(offsets, flat)
            columns[like.name] = pa.compute.if_else(pa.array(~silent), lists, None)
        described = stored.description("scale", self.probes, self.likenesses, LABELS)
        return pa.table(columns).replace_schema_metadata(described)


# The steps


def plan(root: str) -> Callable[[], object]:
    from raysep.rundir import Run
    from raysep.stages import inputs, score, train
    from raysep.training.entry import whole

    def step() -> object:
        context, planting = given(root)
        found = inputs.inputs_in(Run(root))
        digest = found.digest()
        tracks = {stem.track for stem in found.corpus}
        shards = score.deal_shards(tracks, planting, context.config.scoring.shards)
        made = train.plan(context, "all", whole(found.corpus))
        return digest, len(shards), made.digest, made.fingerprint

    return step


def decide(root: str) -> Callable[[], object]:
    from raysep.rundir import Run
    from raysep.stages import decide as stage
    from raysep.stages import inputs

    def step() -> object:
        context, planting = given(root)
        stage.decide(context, inputs.inputs_in(Run(root)), planting)
        return Run(root).read_json("summary.json")["counts"]

    return step


def report(root: str) -> Callable[[], object]:
    from raysep.report import page
    from raysep.rundir import Run

    return lambda: page.write(Run(root), None)


def export_plan(root: str) -> Callable[[], object]:
    from raysep.commands.export import export, forms, sources

    def step() -> object:
        source = sources.read(root)
        request = export.Request(root, f"{root}-exported", "copies")
        return len(export._planned(request, forms.resolve("copies"), source).files)

    return step


def given(root: str) -> tuple[Any, Any]:
    """The context and the planting of the made-up run."""
    from raysep.config import from_dict
    from raysep.corpus import manifest
    from raysep.decision.roles import Role
    from raysep.resources import Resources
    from raysep.rundir import Run
    from raysep.screen import Progress
    from raysep.stages.context import Context
    from raysep.stages.plant import Planting

    run = Run(root)
    roles = {row.pop("stem_id"): Role(**row) for row in run.read_table("roles.parquet").to_pylist()}
    clean, planted = (manifest.read(run.path(f"{name}.parquet")) for name in ("reference", "planted"))
    config = from_dict(run.read_json("run.json")["config"])
    context = Context(
        run, config, Resources(cpus=2, gpus=0, nodes=1), Progress(quiet=True), "scale", sample_rate=RATE, channels=1
    )
    return context, Planting([], clean, planted, roles)


STEP = dict(zip(STEPS, (plan, decide, report, export_plan), strict=True))


def step_once(name: str, root: str) -> dict[str, Any]:
    """In this process, which does nothing else."""
    step = STEP[name](root)
    before, memory = resource.getrusage(resource.RUSAGE_SELF), peak_mib()
    begin = time.perf_counter()
    step()
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": seconds,
        "processor_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "memory_mib": peak_mib(),
        "memory_before_mib": memory,
    }


def peak_mib() -> float:
    """Of this program alone: what ``getrusage`` says begins with what the process was before it."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def measured(stems: int, steps: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The steps, after a decision where they are of what one leaves."""
    needed = {*steps, *(["decide"] if {*steps} - {"plan"} else [])}
    with tempfile.TemporaryDirectory() as folder:
        root = make_run(Path(folder), stems) if needed else ""
        for name in filter(needed.__contains__, STEPS):
            ask = [sys.executable, "-m", "benchmarks.scale", "--step", name, root]
            told = subprocess.run(ask, check=True, stdout=subprocess.PIPE, text=True).stdout
            row = {"stems": stems, "step": name, **json.loads(told.splitlines()[-1])}
            print(json.dumps(row), file=sys.stderr, flush=True)
            yield row


def kept_in(file: Path | None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file and file.exists() else []


# The page


def page(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| step | stems | seconds | of these the processor's | processor's µs a stem | peak MiB | before the step | bytes a further stem |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in STEPS:
        own = [row for row in rows if row["step"] == name]
        for before, row in zip([None, *own], own, strict=False):
            lines.append(
                f"| {name} | {row['stems']} | {row['seconds']:.1f} | {row['processor_seconds']:.1f} | "
                f"{1e6 * row['processor_seconds'] / row['stems']:.0f} | {row['memory_mib']:.0f} | {row['memory_before_mib']:.0f} | "
                f"{slope(before, row)} |"
            )
    return "\n".join([*lines, "", *targets(rows)])


def slope(before: dict[str, Any] | None, row: dict[str, Any]) -> str:
    if before is None:
        return "—"
    return f"{2**20 * (row['memory_mib'] - before['memory_mib']) / (row['stems'] - before['stems']):.0f}"


def targets(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for row in rows:
        if row["step"] == "decide" and row["stems"] == TARGET_STEMS:
            met = row["processor_seconds"] < TARGET_SECONDS and row["memory_mib"] < TARGET_MIB
            lines.append(
                f"Target: {TARGET_STEMS} stems decided in under {TARGET_SECONDS} s and {TARGET_MIB} MiB: "
                f"{'met' if met else 'missed'}, {row['processor_seconds']:.0f} s of the processor's and {row['memory_mib']:.0f} MiB."
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="stems")
    parser.add_argument("--steps", nargs="+", default=STEPS, choices=STEPS)
    parser.add_argument("--kept", type=Path, help="file of rows, JSON lines, to go on from")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(step_once(*arguments.step)))
        return
    rows = kept_in(arguments.kept)
    for stems in arguments.sizes:
        there = {row["step"] for row in rows if row["stems"] == stems}
        for row in measured(stems, [step for step in arguments.steps if step not in there]):
            if row["step"] not in there:
                rows.append(row)
                if arguments.kept:
                    arguments.kept.write_text("".join(json.dumps(each) + "\n" for each in rows))
    rows.sort(key=lambda row: row["stems"])
    sizes = "" if tuple(arguments.sizes) == SIZES else f" --sizes {' '.join(map(str, arguments.sizes))}"
    steps = "" if tuple(arguments.steps) == STEPS else f" --steps {' '.join(map(repr, arguments.steps))}"
    write(
        arguments.out,
        "scale",
        "What a run costs its driver, by the number of stems",
        f"python -m benchmarks.scale{sizes}{steps}",
        f"{REFERENCE_TRACKS} reference tracks, {SEGMENTS} segments a stem, on cores that other work shared",
        page(rows),
        {"steps": rows},
    )


if __name__ == "__main__":
    main()
