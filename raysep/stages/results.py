"""The figures of a finished run, and the table of them in the terminal."""

from __future__ import annotations

import math
from typing import Any

from raysep.audio.levels import SILENCE_DBFS
from raysep.rundir import Run
from raysep.screen import terminal

ORDER = ("clean", "oracle", "cleaned", "weighted", "contaminated", "random", "reference")  # of the table's rows
BASELINE = "contaminated"  # what the other arms are compared with
CLEANED, REFERENCE = "cleaned", "reference"


def arm_rows(run: Run, draws: int = 2000) -> list[dict[str, Any]]:
    """A row per arm: mean SDR in dB over tracks, stems and seeds with its interval, per label, and the gain.

    Stems whose reference is silent are in no SDR; where there are some, ``residue`` is the mean level left there, in dBFS.
    """
    from raysep.evaluation.compare import compare
    from raysep.evaluation.table import STEMS, figures

    table = _results(run)
    measures = ("sdr", "framewise_sdr", "residue")
    found = {(f.model, f.measure, f.stem, f.track_aggregate): f for f in figures(table, measures, draws)}
    labels = sorted({row["stem"] for row in table})
    sizes = {row["arm"]: row["trained_stems"] for row in table}
    rows = []
    for arm in sorted(sizes, key=_place):
        mean = found[arm, "sdr", STEMS, "mean"]
        row: dict[str, Any] = {
            "arm": arm,
            "sdr_mean": mean.value.estimate,
            "low": mean.value.low,
            "high": mean.value.high,
            # museval's way: the median over tracks of each stem, then the mean over stems and seeds.
            "framewise_sdr": found[arm, "framewise_sdr", STEMS, "median"].value.estimate,
            "per_label": {label: found[arm, "sdr", label, "mean"].value.estimate for label in labels},
            "seeds": mean.seeds,
            "stems": sizes[arm],
        }
        residue = found[arm, "residue", STEMS, "mean"].value.estimate
        row |= {"residue": residue} if math.isfinite(residue) else {}
        if arm != BASELINE and BASELINE in sizes:
            gain = compare(table, arm, BASELINE, ("sdr",), draws=draws)[0].difference
            row |= {"gain": gain.estimate, "gain_low": gain.low, "gain_high": gain.high}
        rows.append(row)
    return rows


def gain(run: Run, draws: int = 2000) -> dict[str, Any] | None:
    """What cleaning brought over contaminated training, and the share of the gap to clean training it closed.

    The share has no bounds where the gap itself cannot be told from none. ``seeds`` is how many the arm with fewer has.
    """
    from raysep.evaluation.crossed import share_interval
    from raysep.evaluation.table import grid

    table = _results(run)
    result = _over(table, CLEANED, BASELINE, draws)
    if result and "clean" in {row["arm"] for row in table}:
        cleaned, contaminated, clean = (grid(table, arm, "sdr").values for arm in (CLEANED, BASELINE, "clean"))
        closed = share_interval(cleaned - contaminated, clean - contaminated, draws=draws)
        result |= {"closed": closed.estimate, "closed_low": closed.low, "closed_high": closed.high}
    return result


def reference_alone(run: Run, draws: int = 2000) -> dict[str, Any] | None:
    """By how much training on the reference alone is above training on the cleaned corpus; None without both arms."""
    return _over(_results(run), REFERENCE, CLEANED, draws)


def _over(table: list[dict[str, Any]], arm: str, other: str, draws: int) -> dict[str, Any] | None:
    from raysep.evaluation.compare import compare

    if not {arm, other} <= {row["arm"] for row in table}:
        return None
    found = compare(table, arm, other, ("sdr",), draws=draws)[0]
    difference = found.difference
    about = {"arm": arm, "over": other, "seeds": min(found.seeds)}
    return about | {"db": difference.estimate, "low": difference.low, "high": difference.high}


def _results(run: Run) -> list[dict[str, Any]]:
    """The rows of ``results.parquet`` as evaluation reads them: a model is an arm. Runs of before know no residue."""
    rows = run.read_table("results.parquet").to_pylist()
    return [{"residue": None, **row, "model": row["arm"]} for row in rows]


def silence_sentence(run: Run) -> str:
    """How many test stems are silent and therefore in no SDR, with the first; empty when none is."""
    rows = _results(run)
    stems = {(row["track"], row["stem"]) for row in rows}
    silent = sorted({(r["track"], r["stem"]) for r in rows if r["residue"] is not None and math.isfinite(r["residue"])})
    if not silent:
        return ""
    return (
        f"{len(silent)} of {len(stems)} test stems are silent (up to {SILENCE_DBFS:g} dBFS RMS; first {'/'.join(silent[0])}): in "
        "no SDR; the residue is the mean level in dBFS that is left on them, lower is better"
    )


def headline(run: Run) -> list[str]:
    """What the run has shown, in the words of the page: the effect of cleaning, and whether the reference alone is better."""
    from raysep.report import findings
    from raysep.report.data import ReportData

    summary = {"gain": gain(run), "baseline": BASELINE, "cleaned": CLEANED, "reference_alone": reference_alone(run)}
    data = ReportData(title="", summary=summary, results=arm_rows(run))
    return [line for line in (findings.effect_sentence(data), findings.reference_sentence(data)) if line]


def _place(name: str) -> tuple[int, str]:
    # Probes stand between the decision they are compared with and what is worse.
    return (ORDER.index(name) if name in ORDER else 3, name)


def print_result(run: Run) -> None:
    """The table of arms, the estimate, the stages and what they cost."""
    from rich.table import Table

    console = terminal()
    for line in headline(run):
        console.print(line)
    rows = arm_rows(run)
    labels = list(rows[0]["per_label"])
    table = Table(
        title=f"SDR in dB on the {tested_on(run)}: whole track, mean over tracks, stems and seeds; 95 % intervals over tracks "
        "and seeds; framewise: museval's, median over 1 s frames and over tracks",
        title_justify="left",
    )
    table.add_column("trained on")
    residue = ["residue"] if any("residue" in row for row in rows) else []
    for column in ("stems", "SDR", "interval", f"over {BASELINE}", *labels, "framewise", *residue):
        table.add_column(column, justify="right")
    for row in rows:
        difference = f"{row['gain']:+.2f} ({row['gain_low']:+.2f} … {row['gain_high']:+.2f})" if "gain" in row else ""
        cells = (f"{row['per_label'][label]:.2f}" for label in labels)
        interval = f"{row['low']:.2f} … {row['high']:.2f}"
        table.add_row(
            row["arm"],
            str(row["stems"]),
            f"{row['sdr_mean']:.2f}",
            interval,
            difference,
            *cells,
            f"{row['framewise_sdr']:.2f}",
            *(f"{row.get(name, math.nan):.1f}" for name in residue),
        )
    console.print(table)
    if silence := silence_sentence(run):
        console.print(silence)
    if rows[0]["seeds"] == 1:
        console.print("trained with one seed, so that the intervals know nothing of seed noise")
    summary = run.read_json("summary.json")
    console.print(share_sentence(summary))
    record = run.read_json("run.json")
    if otherwise := record["stages"].get("decide", {}).get("otherwise"):
        console.print(otherwise)
    seconds = ", ".join(
        f"{name} {stage['seconds']:.0f} s" for name, stage in record["stages"].items() if "seconds" in stage
    )
    console.print(f"stages: {seconds}; peak memory {record.get('peak_memory_gib', 0):.2f} GiB")
    if (best := record["stages"].get("search", {}).get("best_ratio")) is not None:
        console.print(
            f"search by retraining prefers a ratio of {best:.0%}; the estimate removed {summary['removed_share']:.0%}"
        )
    console.print(f"run: {run.root}")


def tested_on(run: Run) -> str:
    """Which tracks the arms were judged on, in words."""
    if run.has("test.parquet"):
        return "test tracks"
    return "reference tracks (no --test was given; the decision was calibrated on them)"


def share_sentence(summary: dict[str, Any]) -> str:
    share, counts = summary["estimated_share"], summary["counts"]
    removed = f"{counts['removed']} of {counts['stems']} stems removed"
    if (why := summary.get("none_removed")) and share is not None:
        removed += f"\n{why}"
    if share is None:
        return f"share of wrong stems: not estimated ({summary['warning']}); {removed}"
    low, high = summary["estimated_share_interval"]
    return f"share of wrong stems: {share:.0%} ({low:.0%} … {high:.0%}), estimated without retraining; {removed}"


def rule_text(rule: dict[str, Any]) -> str:
    """``{"name": "Threshold", "p": 0.5}`` as "threshold, p 0.5"."""
    words = [rule["name"].lower(), *(f"{name} {value}" for name, value in rule.items() if name != "name")]
    return ", ".join(words)
