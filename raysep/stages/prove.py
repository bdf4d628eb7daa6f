"""Retrain on what was kept, compare with what would have happened otherwise, on tracks nobody trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.corpus import manifest, storage
from raysep.corpus.hashing import fingerprint, generator
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.decision import handling
from raysep.decision.handling.reading import rows_of
from raysep.errors import BadInput, RaysepError
from raysep.outcome import Outcome
from raysep.rundir import Run, table_bytes
from raysep.stages import train
from raysep.stages.context import Context
from raysep.stages.inputs import Inputs
from raysep.stages.passes import AudioWorker, Counts, Pass
from raysep.training.entry import Entry

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
PLAIN = ("contaminated", "cleaned", "weighted", "random", "reference", "contaminated+reference")
TRAINED_ON_REFERENCE = ("reference", "contaminated+reference")
KNOWN = ("clean", "oracle")  # need a benchmark's truth


@dataclass(frozen=True)
class Arm:
    name: str
    entries: list[Entry]

    @property
    def size(self) -> int:
        return sum(entry.weight > 0 for entry in self.entries)


def prove(context: Context, inputs: Inputs, benchmark: Any = None) -> None:
    """Train every arm with every seed for the same number of steps, evaluate, write ``results.parquet``."""
    proof = context.config.proof
    arms = [arm for name in proof.arms if (arm := make_arm(context, inputs, name, benchmark))]
    train_and_evaluate(context, arms, inputs.test or inputs.reference)


def train_and_evaluate(context: Context, arms: list[Arm], test: list[Stem]) -> None:
    """Every arm with every seed, by the same recipe; without test tracks the trained networks are all there is."""
    run, proof = context.run, context.config.proof
    plans = [
        train.plan(context, trained_as(arm.name, seed), arm.entries, seed=1000 + seed)
        for seed in proof.seeds
        for arm in arms
    ]
    train.run_plans(context, "retrain", plans)
    if test and not run.is_done("evaluate"):
        with run.stage("evaluate") as record, context.progress.bar("evaluate") as advance:
            trained = fingerprint(context.fingerprint, [p.fingerprint for p in plans], MEASURED)
            _evaluate(context, arms, test, trained, advance)
            record.update(arms=[arm.name for arm in arms], seeds=list(proof.seeds))


def trained_as(arm: str, seed: int) -> str:
    return f"{arm}-seed{seed}"


def check_arms(names: tuple[str, ...], has_test: bool, has_truth: bool, own: tuple[str, ...] = ()) -> None:
    """Raise ``BadInput`` for an arm that could not be trained or judged: before hours of work, not after.

    ``own`` are import paths of probes beside the catalogue's.
    """
    from raysep.probes.catalogue import probes_of

    probes = [name for name, probe in probes_of(own).items() if probe.oriented]
    for name in names:
        if name in KNOWN and not has_truth:
            raise BadInput(f"proof.arms: {name!r} needs to know the faults; only `raysep demo` and the benchmark do")
        if name in TRAINED_ON_REFERENCE and not has_test:
            raise BadInput(
                f"proof.arms: {name!r} trains on the reference, so it needs other tracks to test on: give --test"
            )
        if name not in (*PLAIN, *KNOWN, *probes):
            raise BadInput(
                f"proof.arms: {name!r} is neither an arm nor a probe; arms: {', '.join(PLAIN + KNOWN)}; "
                f"probes: {', '.join(probes)}"
            )


def make_arm(context: Context, inputs: Inputs, name: str, benchmark: Any = None) -> Arm | None:
    """An arm and what it trains on. None for an arm that the run has nothing for.

    ``cleaned`` uses the corpus by ``decision.handling``, ``weighted`` by the handling ``weight``. ``fad``, ``unlearning``
    and any other probe remove as many stems of each label as the decision does, those with the lowest scores; ``random``
    as many, drawn by hash.
    """
    if name in KNOWN:
        return _known_arm(context, inputs, name, benchmark) if benchmark else None
    corpus = [s for s in inputs.corpus if s.frames]
    if name == "contaminated":
        return Arm(name, train.whole(corpus))
    if name in TRAINED_ON_REFERENCE:
        return Arm(name, train.whole(inputs.reference + (corpus if name != "reference" else [])))
    decision = rows_of(context.run.read_table("decision.parquet"))
    if name in ("cleaned", "weighted"):
        handled = context.config.decision.handling if name == "cleaned" else "weight"
        return Arm(name, handling.use(handled, decision, corpus))
    readable = [row for _, row in handling.named(decision, corpus) if row["outcome"] != Outcome.FAILED]
    kept = _as_many_kept(context, readable, name)
    return Arm(name, train.whole(s for s in corpus if s.stem_id in kept))


def _as_many_kept(context: Context, rows: list[Mapping[str, Any]], name: str) -> set[str]:
    """The stem_ids that are left when as many of each label are removed as the decision's rows say."""
    ids = [row["stem_id"] for row in rows]
    scores = _random_scores(ids, context.config.seed) if name == "random" else _probe_scores(context.run, name)
    kept: set[str] = set()
    for label in {row["stem"] for row in rows}:
        members = [row for row in rows if row["stem"] == label]
        removed = sum(not row["keep"] for row in members)
        # A stem without a score (silent) stays: nothing speaks against it.
        order = sorted((scores.get(row["stem_id"], np.inf), row["stem_id"]) for row in members)
        kept |= {stem_id for _, stem_id in order[removed:]}
    return kept


def _random_scores(stem_ids: list[str], seed: int) -> dict[str, float]:
    return {i: float(generator(seed, "random removal", i).random()) for i in stem_ids}


def _probe_scores(run: Run, probe: str) -> dict[str, float]:
    table = run.read_table("stems.parquet")
    if probe not in table.column_names:
        raise BadInput(f"proof.arms: the run has no scores of {probe!r}: its networks or its reference were left out")
    scores = zip(table["stem_id"].to_pylist(), table[probe].to_pylist(), strict=True)
    return {i: value for i, value in scores if value is not None and np.isfinite(value)}


def _known_arm(context: Context, inputs: Inputs, name: str, benchmark: Any) -> Arm:
    if name == "clean":
        clean_corpus = stems_of(storage.absolute(benchmark.clean_corpus), usual=context.config.labels).stems
        return Arm(name, train.whole(clean_corpus))
    from raysep.corpus import truth

    clean = {row["stem_id"] for row in truth.read(benchmark.truth) if row["kind"] == truth.CLEAN}
    return Arm(name, train.whole(s for s in inputs.corpus if s.stem_id in clean and s.frames))


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
