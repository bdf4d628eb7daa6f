"""What a person does next, by what is known: one sentence with its commands, for the first screen of the page."""

from __future__ import annotations

import shlex

from raysep.decision.none_removed import CLEAN, REFUSED
from raysep.report.verdict import HELPED, HURT, UNMEASURED, Verdict


def next_step(verdict: Verdict, run: str) -> str:
    """In words, with `commands` of ``run`` as a command names it; "" where nothing has been judged."""
    if not verdict.counts.stems:
        return ""
    run = shlex.quote(run)
    listen = f"listen to the stems below, say where it errs, and `raysep review {run} verdicts.csv` takes your word"
    export = f"`raysep export {run} --to cleaned --form msst` takes the cleaned corpus to your trainer"
    prove = f"`raysep prove {run} --seeds 3`"
    if verdict.effect == UNMEASURED and verdict.none_removed:
        first = {
            REFUSED: "give more reference tracks and clean again",
            CLEAN: "train on the corpus as it is",
        }.get(
            verdict.none_removed_by,
            f"`raysep decide {run} --rule ratio --ratio 0.1 --out FILE` removes the most suspect all the same",
        )
        return f"Next: {first}; or {listen}."
    if verdict.effect == UNMEASURED:
        return f"Next: {listen}; {prove} shows by retraining whether it helps, {export}."
    if verdict.effect == HURT:
        return f"Next: train on the corpus as it was, or {listen}."
    if verdict.reference_is_better:
        return f"Next: train on the reference as it is, or {listen}."
    if verdict.effect == HELPED:
        return f"Next: {export}; where you doubt it, {listen}."
    if verdict.gain.few:
        return f"Next: {prove} adds the seeds that a verdict needs; until then {listen}."
    return f"Next: {listen}; more test tracks or seeds may tell (`raysep prove`)."
