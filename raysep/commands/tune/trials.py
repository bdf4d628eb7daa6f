"""What is trained in full: the automatic decision and two controls always, and the best of the short trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from raysep.config import DecisionSettings
from raysep.corpus import storage
from raysep.corpus.hashing import fingerprint
from raysep.corpus.inputs import Inputs
from raysep.corpus.manifest import Stem
from raysep.decision.rules import FUSED
from raysep.rundir import Run
from raysep.stages import arms, train
from raysep.stages.arms import Arm
from raysep.stages.context import Context
from raysep.stages.prove import seed_of, trained_as
from raysep.stages.search import entries_at, ranked
from raysep.training.best import write
from raysep.training.entry import Entry
from raysep.training.plan import Plan

AUTOMATIC, NOTHING, RANDOM = "automatic", "nothing removed", "random removal"


@dataclass(frozen=True)
class Candidate:
    """A way to use the corpus. ``ratio`` is what was asked for, ``left_out`` what it comes to."""

    name: str
    ratio: float | None
    probe: str | None
    handling: str | None
    entries: list[Entry]
    stems: int  # of the corpus

    @cached_property
    def content(self) -> str:
        """The same for candidates that use the corpus alike: they are one training."""
        used = sorted((e.stem.stem_id, e.label, e.weight, e.spans) for e in self.entries if e.weight > 0)
        return fingerprint(used)

    @property
    def left_out(self) -> float:
        """Share of the stems; one that is drawn half as often as others is half left out."""
        return max(0.0, 1 - sum(entry.weight for entry in self.entries) / max(1, self.stems))


def controls(context: Context, inputs: Inputs) -> list[Candidate]:
    """What is among the trials always, of a folder that holds the automatic decision."""
    decision = context.config.decision
    arm = {AUTOMATIC: arms.CLEANED, NOTHING: arms.CONTAMINATED, RANDOM: arms.RANDOM}
    probe = {AUTOMATIC: ranked_by(decision), NOTHING: None, RANDOM: "random"}
    handled = {AUTOMATIC: decision.handling, NOTHING: None, RANDOM: "drop"}
    made = {name: arms.make_arm(context, inputs, of) for name, of in arm.items()}
    stems = len(arms.Given(context, inputs).corpus)
    return [
        Candidate(name, 0.0 if name == NOTHING else None, probe[name], handled[name], one.entries, stems)
        for name, one in made.items()
        if one
    ]


def ranked_by(decision: DecisionSettings) -> str:
    return decision.probe if decision.rule == "ratio" else FUSED


def survivors(
    run: Run, rows: Sequence[dict[str, Any]], stems: Sequence[Stem], count: int, beside: Sequence[Candidate] = ()
) -> list[Candidate]:
    """The best ``count`` of the short trainings that use the corpus each in its own way, and not as one of ``beside``."""
    there = {one.content for one in beside}
    found: dict[str, Candidate] = {}
    for row in ranked(rows):
        if len(found) == count:
            break
        entries = entries_at(run, row, stems)
        point = (row["ratio"], row["probe"], row["handling"])
        one = Candidate(name_of(row), *point, entries, len(stems))
        if one.content not in there:
            found.setdefault(one.content, one)
    return list(found.values())


def name_of(row: dict[str, Any]) -> str:
    return f"{row['ratio']:.0%} by {row['probe']}, {row['handling']}"


def arms_of(candidates: Sequence[Candidate]) -> list[Arm]:
    """One for all candidates that use the corpus alike, named by what it uses: it is trained once."""
    return [Arm(content, one.entries) for content, one in {c.content: c for c in candidates}.items()]


def adopt(context: Context, folder: Context, trained: Sequence[Arm]) -> list[str]:
    """Take over what the run trained on just that by just that recipe when it proved its decision; the arms of it."""
    found = []
    for arm in trained:
        for seed in context.config.proof.seeds:
            plan = plan_of(folder, arm, seed)
            theirs = (
                [] if plan.is_trained() else [_as_arm(context, plan, name, seed) for name in context.config.proof.arms]
            )
            for other in [other for other in theirs if other.is_trained()][:1]:
                data = storage.read_bytes(other.out)
                write(plan.out, data, fingerprint=plan.fingerprint, validations=[])
                found.append(other.name)
    return found


def plan_of(context: Context, arm: Arm, seed: int) -> Plan:
    return train.plan(context, trained_as(arm.name, seed), arm.entries, seed=seed_of(seed), recipe=arm.recipe)


def _as_arm(context: Context, plan: Plan, arm: str, seed: int) -> Plan:
    name = trained_as(arm, seed)
    return replace(plan, name=name, out=train.checkpoint_path(context, name))
