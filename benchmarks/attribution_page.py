"""The page that ``benchmarks.attribution`` writes: the demands over all seeds, then a section for each."""

from __future__ import annotations

import numpy as np

DEMANDED = {"times cheaper": 6.0, "AUROC lost": 0.005, "of the bare forward rate": 0.85}


def over_seeds(cases: list[dict]) -> list[str]:
    """The three demands, over all seeds: each has a corpus, a training and faults of its own."""
    rates_shown = ", ".join(f"{case['rate']:.2f}" for case in cases)
    times = [case["modes"]["published"]["passes"] / case["modes"]["fast"]["passes"] for case in cases]
    lines = [
        f"Over {len(cases)} seeds, fast against published: {min(times):.1f} times cheaper at least (demanded {DEMANDED['times cheaper']:.0f}); "
        f"its pass over audio at {np.median([case['rate'] for case in cases]):.2f} of the bare forward rate, median of "
        f"{rates_shown} (demanded {DEMANDED['of the bare forward rate']}); macro AUROC less "
        "that of the published pipeline:",
        "",
        "| mode | mean over seeds | standard error | by seed |",
        "|---|---:|---:|---|",
    ]
    for name in list(cases[0]["modes"])[1:]:
        over = [case["modes"][name]["macro"] - case["modes"]["published"]["macro"] for case in cases]
        error = f"{np.std(over, ddof=1) / np.sqrt(len(over)):.3f}" if len(over) > 1 else ""
        lines.append(f"| {name} | {np.mean(over):+.3f} | {error} | {', '.join(f'{o:+.3f}' for o in over)} |")
    return [*lines, "", f"Demanded: lower by no more than {DEMANDED['AUROC lost']}.", ""]


def _relative(row: dict) -> str:
    """The step that a mode took, of the weights' norm."""
    chosen = next(r for r in row["step"]["readings"] if r["alpha"] == row["step"]["alpha"])
    return f"{chosen['relative_step']:.3g}"


def report(result: dict) -> str:
    lines = over_seeds(result["seeds"])
    for case in result["seeds"]:
        base = case["modes"]["published"]
        lines += [
            f"## Seed {case['seed']}: {case['segments']} mixture segments, {case['reference_segments']} of the reference",
            "",
            "| mode | forward passes | times cheaper | seconds | times faster | macro AUROC (95 %) | over published (95 %) |",
            "|---|---:|---:|---:|---:|---|---|",
        ]
        for name, row in case["modes"].items():
            seconds = sum(row["seconds"].values())
            low, high = row["macro_interval"]
            less, more = row["over_published_interval"]
            lines.append(
                f"| {name} | {row['passes']:.0f} | {base['passes'] / row['passes']:.1f} | {seconds:.1f} | "
                f"{sum(base['seconds'].values()) / seconds:.1f} | {row['macro']:.3f} ({low:.3f} … {high:.3f}) | "
                f"{row['macro'] - base['macro']:+.3f} ({less:+.3f} … {more:+.3f}) |"
            )
        kinds = sorted(base["by_kind"])
        lines += ["", f"| AUROC by kind | {' | '.join(kinds)} |", "|---|" + "---:|" * len(kinds)]
        for name, row in case["modes"].items():
            lines.append(f"| {name} | " + " | ".join(f"{row['by_kind'][kind]:.2f}" for kind in kinds) + " |")
        lines += [
            "",
            f"The pass over audio runs at {case['rate']:.2f} of the bare rate of two forward passes a segment "
            f"({case['bare_seconds']:.2f} s against {case['pass_seconds']:.2f} s, the best of five rounds of each).",
            f"Relative steps: {', '.join(f'{name} {_relative(row)}' for name, row in case['modes'].items() if 'readings' in row['step'])}.",
            "",
        ]
    return "\n".join(lines)
