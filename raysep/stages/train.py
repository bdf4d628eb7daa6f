"""Plans of training and their execution by Ray Train."""

from __future__ import annotations

from typing import Any

from raysep.cluster import fit
from raysep.cluster.fit import Group, Plan
from raysep.config import fingerprint
from raysep.corpus.manifest import Stem
from raysep.stages.context import Context
from raysep.stages.inputs import Inputs
from raysep.stages.plant import Planting
from raysep.training.recipe import Recipe

FINAL, EARLY, REFERENCE = "probe-final", "probe-early", "probe-reference"


def checkpoint_path(context: Context, name: str) -> str:
    return context.run.path("checkpoints", f"{name}.safetensors")


def train_probes(context: Context, inputs: Inputs, planting: Planting) -> None:
    """The separators that score: one on everything, kept early and at its end, and one on the reference alone."""
    training = context.config.training
    early = max(1, round(training.early * training.steps))
    plans = [
        plan(context, FINAL, inputs.corpus + planting.trained, seed=context.config.seed, early=(EARLY, early)),
        plan(
            context,
            REFERENCE,
            planting.unlearning,
            seed=context.config.seed,
            steps=max(1, round(training.reference_steps * training.steps)),
        ),
    ]
    train(context, "train", plans)


def plan(
    context: Context,
    name: str,
    stems: list[Stem],
    *,
    weights: dict[str, float] | None = None,
    seed: int = 0,
    steps: int | None = None,
    early: tuple[str, int] | None = None,
) -> Plan:
    """One training of the run's network. ``weights`` by stem_id (default 1); stems of weight 0 are not read."""
    config = context.config
    training = config.training
    steps = steps or training.steps
    chosen = [(s, 1.0 if weights is None else weights.get(s.stem_id, 0.0)) for s in sorted(stems)]
    saves = {*range(training.save_every, steps, training.save_every)} | ({early[1]} if early else set())
    return Plan(
        name=name,
        # A stem without samples is one whose header could not be read: it is reported as failed, not trained on.
        stems=tuple((s, w) for s, w in chosen if w > 0 and s.frames),
        model=config.network.model,
        arguments=network_arguments(context),
        recipe=Recipe(
            steps=steps,
            batch=training.batch,
            segment_seconds=training.segment_seconds,
            learning_rate=training.learning_rate,
            weight_decay=training.weight_decay,
            warmup=max(1, min(50, steps // 10)),
            gradient_clip=training.gradient_clip,
            ema_decay=training.ema_decay,
            save_steps=tuple(sorted(saves)),
            seed=seed,
        ),
        out=checkpoint_path(context, name),
        early_out=checkpoint_path(context, early[0]) if early else None,
        early_step=early[1] if early else 0,
        labels=config.labels,
    )


def network_arguments(context: Context) -> dict[str, Any]:
    """The settings of the network in the units it takes: samples and bins."""
    network = context.config.network
    n_fft = 1 << max(4, round(network.window_seconds * context.sample_rate) - 1).bit_length()
    return {
        "stems": context.config.labels,
        "sample_rate": context.sample_rate,
        "channels": context.channels,
        "n_fft": n_fft,
        "hop": n_fft // network.overlap,
        "hidden": network.hidden,
        "layers": network.layers,
        "max_bin_hz": network.max_hz,
    }


def train(context: Context, stage: str, plans: list[Plan]) -> None:
    """Train the plans that are not finished, in one worker group."""
    run, training = context.run, context.config.training
    if run.is_done(stage):
        return
    with run.stage(stage) as record, context.progress.bar(stage) as advance:
        group = Group(
            workers=training.workers,
            threads=training.threads,
            memory_gib=training.memory_gib,
            storage_path=run.path("training"),
            name=f"{stage}-{fingerprint(context.fingerprint, [p.fingerprint for p in plans])}",
        )
        if not all(p.is_trained() for p in plans):
            fit.fit(plans, group, context.available, lambda text, done, total: advance(done, total, text))
        record.update(plans=[p.name for p in plans], steps=sum(p.recipe.steps for p in plans), workers=training.workers)
