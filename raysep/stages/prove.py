"""Retrain on what was kept, compare with what would have happened otherwise, on tracks nobody trained on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.corpus.hashing import fingerprint
from raysep.corpus.inputs import Inputs
from raysep.corpus.manifest import Stem
from raysep.decision.handling import NotMade
from raysep.errors import RaysepError
from raysep.rundir import Run, table_bytes
from raysep.stages import train
from raysep.stages.arms import Arm, NotScored, check_arms, make_arm
from raysep.stages.context import Context
from raysep.stages.passes import AudioWorker, Counts, Pass
from raysep.training.plan import Plan

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
    train_and_evaluate(context, _arms(context, inputs, benchmark), inputs.test or inputs.reference)


def _arms(context: Context, inputs: Inputs, benchmark: Any) -> list[Arm]:
    arms: list[Arm] = []
    for name in context.config.proof.arms:
        try:
            arm = make_arm(context, inputs, name, benchmark)
        except (NotScored, NotMade) as error:
            context.progress.say(f"note: the arm {name} is left out ({error})")
            context.run.update({"arms_left_out": {name: str(error)}})
            continue
        arms += [arm] if arm else []
    return arms


def prove_further(context: Context, inputs: Inputs, benchmark: Any, arms: Sequence[str], seeds: int) -> int:
    """Train and judge what is asked for and not in ``results.parquet`` yet; returns how many trainings that were.

    What is there stays; the arms and seeds that it has are taken together with those asked for, so that every arm has every
    seed. Resumable by the same request. Raises ``BadInput`` as ``check_arms`` does.
    """
    run = context.run
    before = run.read_table("results.parquet") if run.has("results.parquet") else None
    there = {(row["arm"], row["seed"]) for row in before.to_pylist()} if before else set()
    names = list(dict.fromkeys([*(arm for arm, _ in sorted(there)), *arms]))
    numbers = sorted({seed for _, seed in there} | set(range(seeds)))
    proof = replace(context.config.proof, arms=tuple(names), seeds=tuple(numbers))
    config = replace(context.config, proof=proof)
    check_arms(config, bool(inputs.test), benchmark)
    chosen = _arms(replace(context, config=config), inputs, benchmark)
    missing = [(arm, seed) for seed in numbers for arm in chosen if (arm.name, seed) not in there]
    if not missing:
        return 0
    plans = _train(context, f"retrain-{_next(run, 'retrain')}", missing)
    with (
        run.stage(f"evaluate-{_next(run, 'evaluate')}") as record,
        context.progress.bar("evaluate", "networks") as advance,
    ):
        table = _evaluate(context, missing, plans, inputs.test or inputs.reference, advance, first=len(there))
        whole = [before, table] if before else [table]
        run.write_table(pa.concat_tables(whole, promote_options="default"), "results.parquet")
        record.update(trainings=[trained_as(arm.name, seed) for arm, seed in missing])
    return len(missing)


def _next(run: Run, stage: str) -> int:
    """The number of the first further proof whose stage is not done."""
    return next(number for number in itertools.count(2) if not run.is_done(f"{stage}-{number}"))


def train_and_evaluate(context: Context, arms: list[Arm], test: list[Stem]) -> None:
    """Every arm with every seed, by the same recipe; without test tracks the trained networks are all there is."""
    run, seeds = context.run, context.config.proof.seeds
    plans = _train(context, "retrain", [(arm, seed) for seed in seeds for arm in arms])
    if test and not run.is_done("evaluate"):
        with run.stage("evaluate") as record, context.progress.bar("evaluate", "networks") as advance:
            table = _evaluate(context, [(arm, seed) for arm in arms for seed in seeds], plans, test, advance)
            run.write_table(table, "results.parquet")
            record.update(arms=[arm.name for arm in arms], seeds=list(seeds))


def _train(context: Context, stage: str, wanted: list[tuple[Arm, int]]) -> list[Plan]:
    plans = [
        train.plan(context, trained_as(arm.name, seed), arm.entries, seed=seed_of(seed), recipe=arm.recipe)
        for arm, seed in wanted
    ]
    train.run_plans(context, stage, plans)
    return plans


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
    context: Context,
    wanted: list[tuple[Arm, int]],
    plans: list[Plan],
    test: list[Stem],
    advance: Callable[..., None],
    first: int = 0,
) -> pa.Table:
    """Trained networks on every test track, a shard each, numbered from ``first`` on; the rows of all of them."""
    trained = fingerprint(context.fingerprint, [p.fingerprint for p in plans], MEASURED)
    networks = {k: Trained(arm.name, seed, arm.size, test) for k, (arm, seed) in enumerate(wanted, start=first)}
    work = replace(Pass.of(context, "evaluate"), fingerprint=trained)
    done = work.run(Evaluator.of(context, fingerprint=trained), networks, advance)
    if done.lost:
        raise RaysepError(f"evaluation failed ({done.reason}); start the same command again to go on")
    return pa.concat_tables(context.run.read_table("evaluation", f"part-{number:05d}.parquet") for number in networks)


class Evaluator(AudioWorker):
    """Evaluates one trained network."""

    def run(self, shard: int, payload: Trained) -> Counts:
        from raysep.corpus.pools import mixes_of, read_mix
        from raysep.evaluation.measures import track_measures
        from raysep.separators import checkpoint, inference

        name = f"{trained_as(payload.arm, payload.seed)}.safetensors"
        network = checkpoint.network_of(checkpoint.from_bytes(self.folder.read_bytes("checkpoints", name), name))
        rows = []
        for track, stems in mixes_of(payload.test).items():
            there = [label for label in network.stems if label in stems]
            if len(there) < 2:
                continue  # a stem alone, left over of a pool: there is nothing to separate
            audio = read_mix({label: stems[label] for label in there}, self.sample_rate, self.channels)
            references = np.stack([audio[label] for label in there])
            estimates = inference.separate(network, references.sum(axis=0))
            own = estimates[[network.stems.index(label) for label in there]]
            found = track_measures(references, own, self.sample_rate, MEASURED)
            for k, label in enumerate(there):
                sdr, framewise, residue = (float(found.values[name][k]) for name in MEASURED)
                values = (sdr, framewise, residue if found.silent[k] else None)
                rows.append((payload.arm, payload.seed, track, label, *values, payload.size))
        table = pa.table([list(c) for c in zip(*rows, strict=True)], schema=RESULTS)
        part = f"evaluation/part-{shard:05d}.parquet"
        return self.finish("evaluate", shard, table_bytes(table), part, {"rows": len(rows)})
