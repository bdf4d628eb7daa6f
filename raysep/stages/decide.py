"""Scores to a decision, no audio touched: ``stems.parquet``, ``decision.parquet``, ``cleaned.parquet``, ``summary.json``."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from raysep.config import DecisionSettings, from_dict, merge
from raysep.corpus import manifest, storage
from raysep.corpus.manifest import Stem
from raysep.decision import handling
from raysep.decision.handling.reading import rows_of
from raysep.errors import BadInput
from raysep.rundir import Run, read_scores, table_bytes
from raysep.stages.context import Context
from raysep.stages.folds import place
from raysep.stages.inputs import Inputs
from raysep.stages.plant import Planting

CANCEL = "signal-cancel"


def decide(context: Context, inputs: Inputs, planting: Planting) -> None:
    """From the run's scores to its decision and the manifest of what is used of the corpus."""
    from raysep.decision.verdicts import notes

    run, config = context.run, context.config
    if run.is_done("decide"):
        return
    with run.stage("decide") as record:
        stems = per_stem(run, inputs.corpus, planting)
        run.write_table(stems, "stems.parquet")
        table = by_rule(stems, config.decision, config.seed)
        run.write_table(table, "decision.parquet")
        handled = handling.resolve(config.decision.handling)
        entries = handling.use(config.decision.handling, rows_of(table), inputs.corpus)
        manifest.write(run.path("cleaned.parquet"), [entry.used for entry in entries if entry.weight > 0])
        moved = handling.relabelled(entries) or _why_none(config.decision.handling, stems)
        found = summarise(run, table)
        run.write_json(found, "summary.json")
        record.update(
            estimated_share=found["estimated_share"],
            removed=found["counts"]["removed"],
            handling=f"{handled.name}: {handled.about}",
            relabelled=moved,
        )
    for note in notes(found):
        context.progress.say(f"note: {note}")
    for told in (moved, channels_cancel(stems)):
        if told:
            context.progress.say(told)


def channels_cancel(stems: pa.Table) -> str:
    """What to say of stems with a channel of reversed polarity, by the column of their probe; "" when there are none."""
    from raysep.probes.signal import CANCELLED_DB

    if CANCEL not in stems.column_names:
        return ""
    rows = stems.select(["stem_id", CANCEL]).to_pylist()
    found = sorted(row["stem_id"] for row in rows if row[CANCEL] is not None and row[CANCEL] <= CANCELLED_DB)
    if not found:
        return ""
    return f"channels cancel in {len(found)} stems, first {found[0]}: the polarity of one is reversed (column {CANCEL})"


def _why_none(handled: str, stems: pa.Table) -> str:
    """What to say when nothing was relabelled by a handling that is there to do so; "" for the others."""
    from raysep.decision.other_label import Evidence, why_none
    from raysep.probes.stored import likenesses_in

    if handled != "relabel":
        return ""
    return f"no stem is used under another label: {why_none(stems, Evidence(*likenesses_in(stems)))}"


def check_probe(settings: DecisionSettings, own: tuple[str, ...] = ()) -> None:
    """Raise ``BadInput`` for a probe that no run has: before hours of work, not after.

    ``own`` are import paths of further probes; one that cannot be imported is refused too.
    """
    from raysep.decision.aggregate import WORST
    from raysep.decision.rules import FUSED
    from raysep.probes.catalogue import probes_of

    known = probes_of(own)
    if settings.probe != FUSED and settings.probe.removesuffix(WORST) not in known:
        raise BadInput(f"decision.probe = {settings.probe!r}: must be {FUSED} or one of {', '.join(known)}")


def decide_again(run: Run, settings: dict[str, Any], out: str) -> dict[str, Any]:
    """Another decision of a scored run, written to ``out``; returns its summary (``verdicts.summary``)."""
    from raysep.decision.verdicts import summary

    table = judge_again(run, settings)
    storage.write_bytes(storage.absolute(out), table_bytes(table))
    return summary(table)


def judge_again(run: Run, settings: dict[str, Any]) -> pa.Table:
    """Another decision from a scored run's ``stems.parquet``: by the run's own settings, but for these."""
    config = from_dict(merge(run.read_json("run.json")["config"], {"decision": settings}))
    return by_rule(run.read_table("stems.parquet"), config.decision, config.seed)


def per_stem(run: Run, corpus: list[Stem], planting: Planting) -> pa.Table:
    """A row per judged, calibration or planted stem, a column per probe, described as in the scores."""
    from raysep.decision.aggregate import per_stem as aggregate
    from raysep.decision.aggregate import with_roles
    from raysep.probes.stored import columns_of, likenesses_in, oriented_in

    rows = read_scores(run)
    stems = aggregate(rows, list(columns_of(rows)), oriented_in(rows), list(likenesses_in(rows)[1]))
    stems = with_roles(stems, {s.stem_id for s in corpus}, planting.roles, planting.fold_of)
    return stems.replace_schema_metadata(rows.schema.metadata)


def by_rule(stems: pa.Table, settings: DecisionSettings, seed: int) -> pa.Table:
    """The decision table by the rule of the settings."""
    from raysep.decision import rules
    from raysep.decision.other_label import Evidence
    from raysep.decision.verdicts import verdicts
    from raysep.probes.stored import likenesses_in, oriented_in

    rule: rules.Rule
    if settings.rule == "ratio":
        rule = rules.Ratio(settings.ratio, settings.probe)
    elif settings.rule == "fdr":
        rule = rules.FalseDiscoveryRate(settings.fdr)
    else:
        rule = rules.Threshold(settings.threshold)
    evidence = Evidence(*likenesses_in(stems))
    return verdicts(stems, rule, settings.floor, oriented=oriented_in(stems), seed=seed, evidence=evidence)


def summarise(run: Run, table: pa.Table) -> dict[str, Any]:
    """``summary.json``: the estimate with its interval, what was removed, and what finding it cost."""
    from raysep.decision.verdicts import summary

    found = summary(table)
    scored = run.read_json("run.json")["stages"].get("score", {})
    kit = next((kit for kit in (place("kit", None), place("kit", 0)) if run.has(kit, "made.json")), None)
    stages = run.read_json("run.json")["stages"]
    found["costs"] = {
        "segments_scored": scored.get("segments"),
        "forward_passes_per_segment": run.read_json(kit, "made.json")["passes"] if kit else None,
        "seconds": {name: stage["seconds"] for name, stage in stages.items() if "seconds" in stage},
    }
    return found
