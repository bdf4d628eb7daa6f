"""Scores to a decision, no audio touched: ``stems.parquet``, ``decision.parquet``, ``cleaned.parquet``, ``summary.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raysep import own_verdicts
from raysep.config import Config, DecisionSettings, from_dict, merge
from raysep.corpus import manifest
from raysep.corpus.folds import place
from raysep.corpus.inputs import Inputs
from raysep.corpus.manifest import Stem
from raysep.decision import handling
from raysep.decision.handling.reading import rows_of
from raysep.decision.handling.restore import relocated
from raysep.errors import BadInput
from raysep.rundir import Run, score_parts
from raysep.stages.context import Context
from raysep.stages.plant import Planting

if TYPE_CHECKING:
    from raysep.corpus.columns import Columns
    from raysep.decision.by_hand import Said
    from raysep.training.entry import Entry

CANCEL = "signal-cancel"
CLEANED = "cleaned.parquet"


def decide(context: Context, inputs: Inputs, planting: Planting) -> None:
    """From the run's scores to its decision and the manifest of what is used of the corpus."""
    from raysep.decision.verdicts import notes

    run, config = context.run, context.config
    if run.is_done("decide"):
        _follow(run, config, inputs.corpus)
        return
    with run.stage("decide") as record:
        stems = per_stem(run, inputs.corpus, planting)
        table = obeying(stems, config, context.said, context.refit, run)
        run.write_table(table, "decision.parquet")
        handled = handling.resolve(config.decision.handling)
        rows = rows_of(table)
        entries = handling.use(config.decision.handling, rows, inputs.corpus)
        manifest.write(run.path(CLEANED), _used(entries))
        otherwise = handling.told(entries, rows)
        found = summarise(run, table) | {"handled": told_of(config.decision.handling, entries, rows, stems)}
        run.write_json(found, "summary.json")
        record.update(
            estimated_share=found["estimated_share"],
            removed=found["counts"]["removed"],
            handling=f"{handled.name}: {handled.about}",
            otherwise=otherwise,
            unchosen=found["handled"]["unchosen"],
        )
    for note in notes(found):
        context.progress.say(f"note: {note}")
    for told in (*own_verdicts.lines(found), otherwise, channels_cancel(stems)):
        if told:
            context.progress.say(told)


def _used(entries: Sequence[Entry]) -> list[Stem]:
    return manifest.in_order(entry.used for entry in entries if entry.weight > 0)


def _follow(run: Run, config: Config, corpus: list[Stem]) -> None:
    """A corpus that was moved since: the manifest of what is used says where it lies now."""
    rows = rows_of(relocated(run.read_table("decision.parquet"), run))
    used = _used(handling.use(config.decision.handling, rows, corpus))
    if manifest.read(run.path(CLEANED)) != used:
        manifest.write(run.path(CLEANED), used)


def channels_cancel(stems: pa.Table) -> str:
    """What to say of stems with a channel of reversed polarity, by the column of their probe; "" when there are none."""
    from raysep.probes.signal import CANCELLED_DB

    if CANCEL not in stems.column_names:
        return ""
    reversed_ones = pa.compute.less_equal(stems[CANCEL], CANCELLED_DB)
    found = sorted(stems["stem_id"].filter(reversed_ones).to_pylist())
    if not found:
        return ""
    return f"channels cancel in {len(found)} stems, first {found[0]}: the polarity of one is reversed (column {CANCEL})"


def told_of(handled: str, entries: Sequence[Entry], rows: handling.Decision, stems: pa.Table) -> dict[str, Any]:
    """What a handling made of a decision, counted, and why it could do no more: ``handled`` of a summary."""
    from raysep.decision.other_label import Evidence
    from raysep.probes.stored import likenesses_in

    why = handling.unchosen(handled, rows, stems, Evidence(*likenesses_in(stems)))
    return {**handling.counted(handled, entries, rows), "unchosen": why}


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


def obeying(stems: pa.Table, config: Config, said: Sequence[Said] | None, refit: bool, run: Run) -> pa.Table:
    """The decision by the rule, with a person's word in it, which it has learnt from where it is to.

    What its handling goes by beside the decision is below that word and above the rule.
    """
    from raysep.decision.by_hand import obey, spelt_as_in, verdict_of

    learnt = verdict_of(spelt_as_in(stems["stem_id"].to_pylist(), said)) if said and refit else None
    table = by_rule(stems, config.decision, config.seed, *([learnt] if learnt else []))
    table = handling.supplied(config.decision.handling, table, run)
    return table if said is None else obey(table, said)


def table_again(run: Run, settings: dict[str, Any]) -> pa.Table:
    """The decision table alone, by the rule and nobody's own word, with what its handling goes by."""
    config = config_with(run, settings)
    table = by_rule(run.read_table("stems.parquet"), config.decision, config.seed)
    return handling.supplied(config.decision.handling, table, run)


def config_with(run: Run, settings: dict[str, Any]) -> Config:
    """The configuration of a run, but for these settings of its decision."""
    return from_dict(merge(run.read_json("run.json")["config"], {"decision": settings}))


def per_stem(run: Run, corpus: list[Stem], planting: Planting) -> Columns:
    """``stems.parquet``: a row per judged, calibration or planted stem, a column per probe, described as in the scores."""
    from raysep.corpus.merged import merged
    from raysep.decision.aggregate import per_stem as aggregate
    from raysep.decision.aggregate import with_roles
    from raysep.probes.stored import columns_of, likenesses_in, oriented_in

    judged = {s.stem_id for s in corpus}

    def stems_of(rows: pa.Table) -> pa.Table:
        likenesses = list(likenesses_in(rows)[1])
        stems = aggregate(rows, list(columns_of(rows)), oriented_in(rows), likenesses)
        stems = with_roles(stems, judged, planting.roles, planting.fold_of)
        return stems.replace_schema_metadata(rows.schema.metadata)

    # A track is whole in its part: of the segments of all no more than one part's are held.
    return merged(map(stems_of, score_parts(run)), "stem_id", run.path("stems.parquet"))


def by_rule(stems: pa.Table, settings: DecisionSettings, seed: int, said: Mapping[str, str] | None = None) -> pa.Table:
    """The decision table by the rule of the settings; ``said``, stem_id → a person's verdict, is learnt from."""
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
    return verdicts(stems, rule, settings.floor, oriented=oriented_in(stems), seed=seed, evidence=evidence, said=said)


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
        "training_hours": stages.get("train", {}).get("hours"),
        "seconds": {name: stage["seconds"] for name, stage in stages.items() if "seconds" in stage},
    }
    return found
