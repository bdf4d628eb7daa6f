"""Plans of training and their execution by Ray Train."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from raysep import config as settings
from raysep import failures
from raysep.config import Config
from raysep.corpus import storage
from raysep.corpus.hashing import fingerprint
from raysep.corpus.inputs import Inputs
from raysep.corpus.manifest import Stem
from raysep.corpus.names import unmatched
from raysep.decision import handling
from raysep.decision.handling.reading import read_decision
from raysep.errors import BadInput
from raysep.screen import Progress
from raysep.stages.context import Context
from raysep.stages.plant import Planting
from raysep.training import budget
from raysep.training.entry import Entry, whole
from raysep.training.network import network_arguments
from raysep.training.plan import Plan, sidecar_of

FINAL, EARLY, REFERENCE = "probe-final", "probe-early", "probe-reference"


def checkpoint_path(context: Context, name: str) -> str:
    return context.run.path("checkpoints", f"{name}.safetensors")


def train_probes(context: Context, inputs: Inputs, planting: Planting, entries: list[Entry] | None = None) -> None:
    """The separators that score: one on everything, kept early and at its end, and one on the reference alone for each fold.

    ``entries`` are trained on instead of everything: what an earlier round kept.
    """
    training = context.config.training
    early = max(1, round(training.early * training.steps))
    entries = whole(inputs.corpus + planting.trained) if entries is None else entries
    plans = [
        plan(context, FINAL, entries, seed=context.config.seed, early=(EARLY, early)),
        *(
            plan(
                context,
                fold.named(REFERENCE),
                whole(fold.target),
                seed=context.config.seed,
                steps=max(1, round(training.reference_steps * training.steps)),
            )
            for fold in planting.folds
        ),
    ]
    run_plans(context, "train", plans)


def entries_by(
    stems: list[Stem], decision: str | None, handled: str, say: Callable[[str], None] = lambda text: None
) -> list[Entry]:
    """The stems by the handling ``handled`` of the decision table at a URI; without a table, all of them alike.

    ``say`` is told which stems only one of the two names. Raises ``BadInput`` for what is no decision table, and for a handling that is not known.
    """
    if not decision:
        return whole(stems)
    rows, there = read_decision(decision), {stem.stem_id: stem for stem in stems}
    for text in (
        unmatched(rows, there, "the decision", "the corpus"),
        unmatched(there, rows, "the corpus", "the decision: they are left out"),
    ):
        if text:
            say(f"note: {text}")
    return handling.use(handled, rows, stems)


def plan(
    context: Context,
    name: str,
    entries: list[Entry],
    *,
    seed: int = 0,
    steps: int | None = None,
    early: tuple[str, int] | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> Plan:
    """One training of the run's network on the entries; those of weight 0 are not read.

    The context says which tracks to validate on. ``recipe`` is what is changed of the recipe that the settings make.
    """
    config = context.config
    training = config.training
    steps = steps or training.steps
    saves = {*range(training.save_every, steps, training.save_every)} | ({early[1]} if early else set())
    unvalidated = {} if context.validation else {"validate_every": 0, "patience": 0}
    return Plan(
        name=name,
        # A stem without samples is one whose header could not be read: it is reported as failed, not trained on.
        stems=tuple(entry for entry in sorted(entries) if entry.weight > 0 and entry.stem.frames),
        model=config.network.model,
        arguments=network_arguments(config, context.sample_rate, context.channels),
        recipe=settings.recipe_of(
            training, steps, save_steps=tuple(sorted(saves)), seed=seed, **unvalidated, **(recipe or {})
        ),
        out=checkpoint_path(context, name),
        early_out=checkpoint_path(context, early[0]) if early else None,
        early_step=early[1] if early else 0,
        labels=config.labels,
        validation=tuple(sorted(context.validation)),
    )


def check_validation(config: Config, has_tracks: bool) -> None:
    """Raise ``BadInput`` when settings go by validations that there will be none of."""
    training = config.training
    if not has_tracks and (training.patience or training.schedule == "plateau"):
        name = "patience" if training.patience else "schedule"
        raise BadInput(
            f"training.{name} = {getattr(training, name)!r}: goes by validations, and there are no tracks to validate on; "
            "use `raysep train` with --validation, or leave the setting out"
        )


def measure(references: np.ndarray, estimates: np.ndarray) -> list[float]:
    """Whole-track SDR in dB of each stem, from ``(stem, channel, time)``; NaN for one whose reference is silent."""
    from raysep.evaluation import audible_sdr

    return [float(value) for value in audible_sdr(references.transpose(0, 2, 1), estimates.transpose(0, 2, 1))]


def run_plans(context: Context, stage: str, plans: list[Plan]) -> None:
    """Train the plans that are not finished, in one worker group or several."""
    from raysep.cluster import fit, side_by_side  # here: Ray Train takes a scoring worker two seconds, for nothing

    run, training = context.run, context.config.training
    if run.is_done(stage):
        return
    again = _forget_incomplete(plans) if context.retry_failed else []
    with run.stage(stage) as record, context.progress.bar(stage) as advance:
        group = fit.Group(
            workers=training.workers,
            least_workers=training.least_workers,
            threads=training.threads,
            memory_gib=training.memory_gib,
            storage_path=run.path("training"),
            name=f"{stage}-{fingerprint(context.fingerprint, [p.fingerprint for p in plans], *again)}",
            measure=measure,
            events=run.path("tensorboard"),
            share=context.config.resources.train,
        )
        heard = budget.largest(plans, training.workers, training.memory_gib)
        if heard.warning:
            context.progress.say(f"note: {heard.warning}")
        if not all(p.is_trained() for p in plans):
            say = lambda text: context.progress.say(f"{stage}: {text}")  # noqa: E731
            side_by_side.train(plans, group, training.side_by_side, context.available, advance, say)
            say_silent(context.progress, plans)
        record.update(plans=[p.name for p in plans], steps=sum(p.recipe.steps for p in plans), workers=training.workers)
        record.update(hours={name: round(value, 2) for name, value in asdict(heard).items()})
        record.update(failures.noted({stem: told for p in plans for stem, told in _unread(p).items()}))


def _unread(plan: Plan) -> dict[str, str]:
    """stem_id → why a trained plan's network was trained without it."""
    note = sidecar_of(plan.out)
    return dict(json.loads(storage.read_bytes(note)).get("unread", {})) if storage.exists(note) else {}


def _forget_incomplete(plans: list[Plan]) -> list[dict[str, str]]:
    """Plans that were trained without a stem count as untrained; returns what they lacked: to train them is another task."""
    lacking = {plan.out: unread for plan in plans if plan.is_trained() and (unread := _unread(plan))}
    for out in lacking:
        storage.delete(sidecar_of(out))
    return list(lacking.values())


def say_silent(progress: Progress, plans: list[Plan]) -> None:
    """Say which validation stems counted in no mean, by what the first trained network notes: they are those of all."""
    validated = next((p for p in plans if p.validation), None)
    if validated is None:
        return
    note = json.loads(storage.read_bytes(sidecar_of(validated.out)))
    if silent := note["metadata"].get("silent_in_validation"):
        progress.say(
            f"note: {len(silent)} of {len(validated.validation)} validation stems are silent (first {silent[0]}) and count in no mean of SDR; "
            "validation/residue is what is left on them"
        )
