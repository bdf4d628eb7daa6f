"""What each probe finds on benchmark corpora, by kind of fault and by context: from scored runs and the truth.

    raysep benchmark corpus bench --size small --seed 1
    raysep clean bench/train --reference bench/reference --out runs/small --preset small --set scoring.unlearning_context=both
    python -m benchmarks.probes runs/small bench/truth.parquet --out docs/results

No audio is touched. Several corpora, each with its run: `RUN TRUTH RUN TRUTH …`. AUROC of suspicion ranked within the
labels of a run, intervals by 2000 draws of whole songs from all corpora; pairs of one score in the two contexts are
compared over the same draws.
"""

from __future__ import annotations

import argparse

from benchmarks.results import write
from raysep.evaluation.bootstrap import Interval
from raysep.evaluation.detection import Detection
from raysep.evaluation.scores import ScoreDetection, macro_difference
from raysep.probes.catalogue import PROBES
from raysep.rundir import existing
from raysep.stages.judge import judge, pooled_probe_detection

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


def page(found: dict[str, ScoreDetection], fused: list[Detection]) -> str:
    kinds = list(next(iter(found.values())).by_kind)
    header = [
        f"| probe | context | macro AUROC (95 %) | {' | '.join(kinds)} |",
        "|---|---|---|" + "---:|" * len(kinds),
    ]
    rows = [
        f"| `{name}` | {PROBES[name].context} | {shown(probe.macro)} | "
        + " | ".join(f"{probe.by_kind[kind].estimate:.2f}" for kind in kinds)
        + " |"
        for name, probe in found.items()
    ]
    for number, run in reversed(list(enumerate(fused, start=1))):
        by_kind = " | ".join(f"{run.by_kind[kind].auroc.estimate:.2f}" for kind in kinds)
        name = f"fused, run {number}" if len(fused) > 1 else "fused"
        rows.insert(0, f"| **{name}** | all | {shown(run.macro)} | {by_kind} |")
    pairs = [
        f"| {name} | {shown(found[clean].macro)} | {shown(found[own].macro)} | "
        f"{shown(macro_difference(found[clean], found[own]))} |"
        for name, (clean, own) in PAIRS.items()
        if clean in found and own in found
    ]
    intervals = [
        f"| `{name}` | " + " | ".join(f"{probe.by_kind[k].low:.2f} … {probe.by_kind[k].high:.2f}" for k in kinds) + " |"
        for name, probe in found.items()
    ]
    return "\n".join(
        [
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN TRUTH", help="folder of a scored run, its corpus's truth table")
    parser.add_argument("--out", default="docs/results", help="folder that probes.md and probes.json go to")
    arguments = parser.parse_args()
    if len(arguments.runs) % 2:
        parser.error("each RUN needs its TRUTH after it")
    judged = [
        (existing(run, "stems.parquet", "decision.parquet"), truth)
        for run, truth in zip(arguments.runs[::2], arguments.runs[1::2], strict=True)
    ]
    records = [run.read_json("run.json") for run, _ in judged]
    found, fused = pooled_probe_detection(judged, DRAWS), [judge(*each) for each in judged]
    figures = {
        "fused": [each.to_dict() | {"roc": None} for each in fused],
        "probes": {
            name: {"macro": p.macro.to_dict(), "by_kind": {k: i.to_dict() for k, i in p.by_kind.items()}}
            for name, p in found.items()
        },
        "clean_minus_own": {
            name: macro_difference(found[clean], found[own]).to_dict()
            for name, (clean, own) in PAIRS.items()
            if clean in found and own in found
        },
        "runs": [{key: record[key] for key in ("fingerprint", "config", "stems", "git")} for record in records],
    }
    about = "; ".join(described(record) for record in records)
    text = page(found, fused)
    command = "python -m benchmarks.probes" + " RUN TRUTH" * len(judged)
    write(arguments.out, "probes", "Detection by each probe", command, about, text, figures)
    print(text)


if __name__ == "__main__":
    main()
