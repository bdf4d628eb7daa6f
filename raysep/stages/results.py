"""The figures of a finished run, and the table of them in the terminal."""

from __future__ import annotations

from typing import Any

from raysep.rundir import Run
from raysep.screen import terminal

ORDER = ("clean", "oracle", "cleaned", "weighted", "contaminated", "random", "reference")  # of the table's rows
BASELINE = "contaminated"  # what the other arms are compared with


def arm_rows(run: Run, draws: int = 2000) -> list[dict[str, Any]]:
    """A row per arm: mean SDR in dB over tracks, stems and seeds with its interval, per label, and the gain."""
    from raysep.evaluation.compare import compare
    from raysep.evaluation.table import STEMS, figures

    table = _results(run)
    found = {
        (f.model, f.measure, f.stem, f.track_aggregate): f for f in figures(table, ("sdr", "framewise_sdr"), draws)
    }
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
        if arm != BASELINE and BASELINE in sizes:
            gain = compare(table, arm, BASELINE, ("sdr",), draws=draws)[0].difference
            row |= {"gain": gain.estimate, "gain_low": gain.low, "gain_high": gain.high}
        rows.append(row)
    return rows


def gain(run: Run, draws: int = 2000) -> dict[str, Any] | None:
    """What cleaning brought over contaminated training, and the share of the gap to clean training it closed.

    The share has no bounds where the gap itself cannot be told from none.
    """
    from raysep.evaluation.compare import compare
    from raysep.evaluation.crossed import share_interval
    from raysep.evaluation.table import grid

    table = _results(run)
    names = {row["arm"] for row in table}
    if not {"cleaned", BASELINE} <= names:
        return None
    found = compare(table, "cleaned", BASELINE, ("sdr",), draws=draws)[0].difference
    result = {"arm": "cleaned", "over": BASELINE, "db": found.estimate, "low": found.low, "high": found.high}
    if "clean" in names:
        cleaned, contaminated, clean = (grid(table, arm, "sdr").values for arm in ("cleaned", BASELINE, "clean"))
        closed = share_interval(cleaned - contaminated, clean - contaminated, draws=draws)
        result |= {"closed": closed.estimate, "closed_low": closed.low, "closed_high": closed.high}
    return result


def _results(run: Run) -> list[dict[str, Any]]:
    """The rows of ``results.parquet`` as evaluation reads them: a model is an arm."""
    return [{**row, "model": row["arm"]} for row in run.read_table("results.parquet").to_pylist()]


def _place(name: str) -> tuple[int, str]:
    # Probes stand between the decision they are compared with and what is worse.
    return (ORDER.index(name) if name in ORDER else 3, name)


def print_result(run: Run) -> None:
    """The table of arms, the estimate, the stages and what they cost."""
    from rich.table import Table

    console = terminal()
    rows = arm_rows(run)
    labels = list(rows[0]["per_label"])
    table = Table(
        title=f"SDR in dB on the {tested_on(run)}: whole track, mean over tracks, stems and seeds; 95 % intervals over tracks "
        "and seeds; framewise: museval's, median over 1 s frames and over tracks",
        title_justify="left",
    )
    table.add_column("trained on")
    for column in ("stems", "SDR", "interval", f"over {BASELINE}", *labels, "framewise"):
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
        )
    console.print(table)
    if rows[0]["seeds"] == 1:
        console.print("trained with one seed, so that the intervals know nothing of seed noise")
    summary = run.read_json("summary.json")
    console.print(share_sentence(summary))
    record = run.read_json("run.json")
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
