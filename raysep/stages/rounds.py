"""Judging more than once: each time by networks that were trained on what was kept the time before.

    ROUND 1  train on everything ─ attribute ─ score ─ decide
    ROUND 2  train on what round 1 kept ─ attribute ─ score ─ decide …

A network that never learnt from the wrong stems tells them better from the right ones: the winners of the SDX'23 challenge
cleaned, retrained and cleaned again. Every round but the last is a run of its own in ``rounds/``, which says what it decided.

Calibration and planted stems that a round would have removed are not trained on in the next either. Otherwise a removed corpus
stem would stand out for no other reason than that the network had not seen it. Of what the handling uses all the same in the
corpus the evidence has nothing: those of it that are not kept are left out, whatever the handling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from raysep import failures
from raysep.corpus import manifest
from raysep.corpus.hashing import fingerprint
from raysep.corpus.inputs import Inputs
from raysep.decision import handling
from raysep.decision.handling.reading import rows_of
from raysep.decision.verdicts import summary
from raysep.report.verdict import Verdict, plain
from raysep.rundir import Run
from raysep.stages import decide, plant
from raysep.stages.context import Context
from raysep.stages.plant import Planting
from raysep.training.entry import Entry, whole

FOLDER = "rounds"
Judge = Callable[[Context, Inputs, Planting, "Run | None"], None]  # leaves the scores


def play(context: Context, inputs: Inputs, number: int, before: Run | None, judge: Judge) -> Run:
    """One round from its planting to its decision, in a folder of its own, which is returned; done once."""
    inner = _inner(context, inputs, number)
    stage = f"round-{number}"
    if not context.run.is_done(stage):
        with context.run.stage(stage) as record:
            context.progress.say(f"round {number} of {context.config.rounds}")
            planting = plant.plant(inner, inputs)
            judge(inner, inputs, planting, before)
            decide.decide(inner, inputs, planting)
            failures.add(inner.run)
            record.update(_told(inner.run))
        context.progress.say(_in_words(number, record))
    return inner.run


def kept(context: Context, inputs: Inputs, planting: Planting, before: Run) -> list[Entry]:
    """What a round trains on: the corpus as the round before handled it, and the evidence that it would have kept."""
    table = before.read_table("decision.parquet")
    removed = set(summary(table)["evidence_removed"])
    evidence = [stem for stem in planting.trained if stem.stem_id not in removed]
    return handling.use(context.config.decision.handling, rows_of(table), inputs.corpus) + whole(evidence)


def _inner(context: Context, inputs: Inputs, number: int) -> Context:
    """The context of a round: as the run's own, in a folder below it."""
    run = Run(context.run.path(FOLDER, str(number)))
    own = fingerprint(context.fingerprint, "round", number)
    run.open(own, {"round": number, "config": context.run.read_json("run.json")["config"]})
    for name, stems in (("manifest", inputs.corpus), ("reference", inputs.reference)):
        if not run.has(f"{name}.parquet"):
            manifest.write(run.path(f"{name}.parquet"), stems)
    return replace(context, run=run, fingerprint=own)


def _told(run: Run) -> dict[str, object]:
    found = run.read_json("summary.json")
    return {
        "removed": found["counts"]["removed"],
        "became": plain(Verdict.of(found).counts_sentence).removesuffix("."),
        "stems": found["counts"]["stems"],
        "estimated_share": found["estimated_share"],
        "evidence_removed": len(found["evidence_removed"]),
        **failures.noted({row["stem_id"]: row["message"] for row in run.read_table(failures.TABLE).to_pylist()}),
    }


def _in_words(number: int, told: dict[str, object]) -> str:
    share = told["estimated_share"]
    estimated = "no share estimated" if share is None else f"share {share:.0%}"
    nothing = "" if told["removed"] else "; so the next is trained on the same"
    return f"round {number}: {told['became']}; {estimated}{nothing}; {told['seconds']:.0f} s"
