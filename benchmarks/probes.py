"""What each probe finds on benchmark corpora, by kind of fault and by context: from scored runs and the truth.

    raysep benchmark corpus bench --size small --seed 1
    raysep clean bench/train --reference bench/reference --out runs/small --preset small --set scoring.unlearning_context=both
    python -m benchmarks.probes runs/small bench/truth.parquet --out docs/results

No audio is touched. Several corpora, each with its run: `RUN TRUTH RUN TRUTH …`. AUROC of suspicion ranked within the
labels of a run, intervals by 2000 draws of whole songs from all corpora; pairs of one score in the two contexts are
compared over the same draws. The fusion is calibrated on planted faults: once of every kind, and for the row "left out"
ten times, each kind judged by a fusion that was planted with all the others.
"""

from __future__ import annotations

import argparse

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.results import write
from raysep.config import from_dict
from raysep.decision.rules import FUSED
from raysep.evaluation.bootstrap import Interval, interval_of
from raysep.evaluation.ranking import CLEAN, finite_mean
from raysep.evaluation.scores import ScoreDetection, macro_difference
from raysep.probes.catalogue import PROBES
from raysep.report.detection import Judged, judged_stems, pooled_detection, pooled_probe_detection
from raysep.rundir import Run, existing
from raysep.stages import decide

DRAWS = 2000
# One score, read in clean and in own context.
PAIRS = {
    "loss": ("loss", "own-loss"),
    "unlearning": ("unlearning-clean", "unlearning"),
    "unlearning, relative": ("unlearning-clean-relative", "unlearning-relative"),
}
# Costs nothing to say, and says which kinds a one-sided cut would keep.
INVERTED = 0.5


def shown(interval: Interval, digits: int = 3) -> str:
    low, high = f"{interval.low:.{digits}f}", f"{interval.high:.{digits}f}"
    return f"{interval.estimate:.{digits}f} ({low} … {high})"


def inverted(found: dict[str, ScoreDetection]) -> list[str]:
    """A line for each probe with kinds that it ranks the wrong way round, with an interval wholly below one half."""
    lines = []
    for name, probe in found.items():
        kinds = [f"{kind} {shown(i, 2)}" for kind, i in probe.by_kind.items() if i.high < INVERTED]
        if kinds:
            lines.append(f"- `{name}`: {', '.join(kinds)}")
    return lines or ["- none"]


def placeless(word: str) -> str:
    """A word of a command line, a path by its last part: where a corpus lay says nothing elsewhere."""
    return word.rsplit("/", 1)[1] if word.startswith("/") else word


def described(record: dict) -> str:
    """A run in words, from its ``run.json``."""
    git, stems = record["git"] or {"commit": "unknown"}, record["stems"]
    command = " ".join(map(placeless, record["command"][1:]))
    return (
        f"a run of commit {git['commit'][:12]} with `{command}`: {stems['corpus']} stems, {stems['reference']} of the "
        f"reference, seed {record['config']['seed']}, distances by {record['config']['scoring']['embedder']}"
    )


def with_fusion(run: Run, truth_uri: str) -> Judged:
    """``judged_stems`` with the fused score, and for each kind that of a fusion planted without it; higher = cleaner."""
    table, kinds, severities = judged_stems(run, truth_uri)
    config = from_dict(run.read_json("run.json")["config"])
    stems = run.read_table("stems.parquet")
    planted = pc.equal(stems["role"], "planted")
    for name in ("", *sorted({*kinds.tolist()} - {CLEAN})):
        left = stems.filter(pc.invert(pc.and_kleene(planted, pc.equal(stems["kind"], name)))) if name else stems
        decided = decide.by_rule(left, config.decision, config.seed)
        of = dict(zip(decided["stem_id"].to_pylist(), decided["suspicion"].to_pylist(), strict=True))
        column = pa.array([-of[i] for i in table["stem_id"].to_pylist()], pa.float64())
        table = table.append_column(f"{FUSED} {name}".strip(), column)
    return Judged(table, kinds, severities)


def left_out(found: dict[str, ScoreDetection]) -> ScoreDetection:
    """Every kind judged by the fusion that was planted without it."""
    kinds = found[FUSED].by_kind
    drawn = {kind: found[f"{FUSED} {kind}"].drawn_by_kind[kind] for kind in kinds}
    by_kind = {kind: found[f"{FUSED} {kind}"].by_kind[kind] for kind in kinds}
    macro = finite_mean(np.array(list(drawn.values())))
    estimate = float(np.mean([interval.estimate for interval in by_kind.values()]))
    return ScoreDetection(interval_of(estimate, macro), by_kind, macro, drawn)


def page(found: dict[str, ScoreDetection], fused: dict[str, ScoreDetection]) -> str:
    kinds = list(next(iter(found.values())).by_kind)
    header = [
        f"| probe | context | macro AUROC (95 %) | {' | '.join(kinds)} |",
        "|---|---|---|" + "---:|" * len(kinds),
    ]

    def line(name: str, context: str, probe: ScoreDetection) -> str:
        by_kind = " | ".join(f"{probe.by_kind[kind].estimate:.2f}" for kind in kinds)
        return f"| {name} | {context} | {shown(probe.macro)} | {by_kind} |"

    rows = [line(f"**{name}**", "all", probe) for name, probe in fused.items()]
    rows += [line(f"`{name}`", PROBES[name].context, probe) for name, probe in found.items()]
    pairs = [
        f"| {name} | {shown(found[clean].macro)} | {shown(found[own].macro)} | "
        f"{shown(macro_difference(found[clean], found[own]))} |"
        for name, (clean, own) in PAIRS.items()
        if clean in found and own in found
    ]
    everything = {**fused, **found}
    intervals = [
        f"| {name} | " + " | ".join(f"{probe.by_kind[k].low:.2f} … {probe.by_kind[k].high:.2f}" for k in kinds) + " |"
        for name, probe in everything.items()
    ]
    return "\n".join(
        [
            "The fusion was planted with the kinds that it is judged on; in the row *left out* each kind is judged by a fusion "
            "that was planted with the nine others alone.",
            "",
            *header,
            *rows,
            "",
            "## The same score among clean stems and in its own track",
            "",
            "| score | clean context | own context | clean minus own |",
            "|---|---|---|---|",
            *pairs,
            "",
            "## Kinds that a probe ranks the wrong way round",
            "",
            "AUROC with a 95 % interval wholly below 0.5: a cut by this probe alone keeps these and removes clean stems.",
            "",
            *inverted(found),
            "",
            "## Intervals by kind",
            "",
            f"| probe | {' | '.join(kinds)} |",
            "|---|" + "---|" * len(kinds),
            *intervals,
        ]
    )


def plain(probe: ScoreDetection) -> dict:
    return {"macro": probe.macro.to_dict(), "by_kind": {kind: i.to_dict() for kind, i in probe.by_kind.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN TRUTH", help="folder of a scored run, its corpus's truth table")
    parser.add_argument("--out", default="docs/results", help="folder that probes.md and probes.json go to")
    arguments = parser.parse_args()
    if len(arguments.runs) % 2:
        parser.error("each RUN needs its TRUTH after it")
    runs = [
        (existing(run, "stems.parquet", "decision.parquet"), truth)
        for run, truth in zip(arguments.runs[::2], arguments.runs[1::2], strict=True)
    ]
    records = [run.read_json("run.json") for run, _ in runs]
    found = pooled_probe_detection(runs, DRAWS)
    judged = [with_fusion(run, truth) for run, truth in runs]
    of_fusions = pooled_detection(judged, [n for n in judged[0].table.column_names if n.startswith(FUSED)], DRAWS)
    fused = {FUSED: of_fusions[FUSED], f"{FUSED}, left out": left_out(of_fusions)}
    figures = {
        "probes": {name: plain(probe) for name, probe in {**fused, **found}.items()},
        "clean_minus_own": {
            name: macro_difference(found[clean], found[own]).to_dict()
            for name, (clean, own) in PAIRS.items()
            if clean in found and own in found
        },
        "runs": [{key: record[key] for key in ("fingerprint", "config", "stems", "git")} for record in records],
    }
    about = "; ".join(described(record) for record in records)
    text = page(found, fused)
    command = "python -m benchmarks.probes" + " RUN TRUTH" * len(runs)
    write(arguments.out, "probes", "Detection by each probe", command, about, text, figures)
    print(text)


if __name__ == "__main__":
    main()
