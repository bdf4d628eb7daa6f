"""Retrain on what was kept, compare with what would have happened otherwise, on tracks nobody trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.corpus import manifest
from raysep.corpus.hashing import fingerprint
from raysep.corpus.manifest import Stem
from raysep.errors import RaysepError
from raysep.rundir import table_bytes
from raysep.stages import train
from raysep.stages.arms import Arm, NotScored, make_arm
from raysep.stages.context import Context
from raysep.stages.inputs import Inputs
from raysep.stages.passes import AudioWorker, Counts, Pass

RESULTS = pa.schema(
    [
        ("arm", pa.string()),
        ("seed", pa.int32()),
        ("track", pa.string()),
        ("stem", pa.string()),
        ("sdr", pa.float64()),  # dB, whole track; NaN where the reference is silent
        ("framewise_sdr", pa.float64()),  # dB, museval v4: median over one-second frames; NaN when it has none
        ("residue", pa.float64()),  # dBFS, of the estimate where the reference is silent, else null
        ("trained_stems", pa.int32()),
    ]
)
MEASURED = ("sdr", "framewise_sdr", "residue")


def prove(context: Context, inputs: Inputs, benchmark: Any = None) -> None:
    """Train every arm with every seed for the same number of steps, evaluate, write ``results.parquet``.

    An arm by a probe that the run could not score is left out, and that is said: the others are worth their hours.
    """
    arms: list[Arm] = []
    for name in context.config.proof.arms:
        try:
            arm = make_arm(context, inputs, name, benchmark)
        except NotScored as error:
            context.progress.say(f"note: the arm {name} is left out ({error})")
            context.run.update({"arms_left_out": {name: str(error)}})
            continue
        arms += [arm] if arm else []
    train_and_evaluate(context, arms, inputs.test or inputs.reference)


def train_and_evaluate(context: Context, arms: list[Arm], test: list[Stem]) -> None:
    """Every arm with every seed, by the same recipe; without test tracks the trained networks are all there is."""
    run, proof = context.run, context.config.proof
    plans = [
        train.plan(context, trained_as(arm.name, seed), arm.entries, seed=seed_of(seed), recipe=arm.recipe)
        for seed in proof.seeds
        for arm in arms
    ]
    train.run_plans(context, "retrain", plans)
    if test and not run.is_done("evaluate"):
        with run.stage("evaluate") as record, context.progress.bar("evaluate") as advance:
            trained = fingerprint(context.fingerprint, [p.fingerprint for p in plans], MEASURED)
            _evaluate(context, arms, test, trained, advance)
            record.update(arms=[arm.name for arm in arms], seeds=list(proof.seeds))


def seed_of(seed: int) -> int:
    """What a training of this seed of the proof draws by: not by what the probes' did."""
    return 1000 + seed


def trained_as(arm: str, seed: int) -> str:
    """The name of a checkpoint; a colon is not allowed in files everywhere."""
    return f"{arm.replace(':', '.')}-seed{seed}"


# Evaluation


@dataclass(frozen=True)
class Trained:
    """One trained network, and the tracks that it is judged on."""

    arm: str
    seed: int
    size: int  # stems that it was trained on
    test: list[Stem]


def _evaluate(
    context: Context, arms: list[Arm], test: list[Stem], fingerprint: str, advance: Callable[..., None]
) -> None:
    """Every trained network on every test track, a shard each; then one table."""
    run = context.run
    networks = [Trained(arm.name, seed, arm.size, test) for arm in arms for seed in context.config.proof.seeds]
    work = replace(Pass.of(context, "evaluate"), fingerprint=fingerprint)
    done = work.run(Evaluator.of(context, fingerprint=fingerprint), dict(enumerate(networks)), advance)
    if done.lost:
        raise RaysepError(f"evaluation failed ({done.reason}); start the same command again to go on")
    parts = [run.read_table("evaluation", f"part-{number:05d}.parquet") for number in range(len(networks))]
    run.write_table(pa.concat_tables(parts), "results.parquet")


class Evaluator(AudioWorker):
    """Evaluates one trained network."""

    def run(self, shard: int, payload: Trained) -> Counts:
        from raysep.corpus.reading import read_stem
        from raysep.evaluation.measures import track_measures
        from raysep.separators import checkpoint, inference

        name = f"{trained_as(payload.arm, payload.seed)}.safetensors"
        network = checkpoint.network_of(checkpoint.from_bytes(self.folder.read_bytes("checkpoints", name), name))
        rows = []
        for track, stems in manifest.tracks_of(payload.test).items():
            references = np.stack([read_stem(stems[label], self.sample_rate, self.channels) for label in network.stems])
            estimates = inference.separate(network, references.sum(axis=0))
            found = track_measures(references, estimates, self.sample_rate, MEASURED)
            for k, label in enumerate(network.stems):
                sdr, framewise, residue = (float(found.values[name][k]) for name in MEASURED)
                values = (sdr, framewise, residue if found.silent[k] else None)
                rows.append((payload.arm, payload.seed, track, label, *values, payload.size))
        table = pa.table([list(c) for c in zip(*rows, strict=True)], schema=RESULTS)
        part = f"evaluation/part-{shard:05d}.parquet"
        return self.finish("evaluate", shard, table_bytes(table), part, {"rows": len(rows)})
