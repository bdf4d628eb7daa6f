"""The figures of a finished run, and the table of them in the terminal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysep.audio.levels import SILENCE_DBFS
from raysep.decision.handling.fate import used_in
from raysep.outcome import Outcome
from raysep.report import terminal as shown
from raysep.report.data import Row
from raysep.report.decided import Decided
from raysep.report.gains import BASELINE, rows_of, verdict_of
from raysep.report.verdict import plain
from raysep.rundir import Run
from raysep.screen import terminal

ORDER = ("clean", "oracle", "cleaned", "weighted", "contaminated", "random", "reference")  # of the table's rows


def arm_rows(run: Run, draws: int = 2000) -> list[dict[str, Any]]:
    """A row per arm: mean SDR in dB over tracks, stems and seeds with its interval, per label, and the gain.

    Stems whose reference is silent are in no SDR; where there are some, ``residue`` is the mean level left there, in dBFS.
    """
    from raysep.evaluation.compare import compare
    from raysep.evaluation.table import STEMS, figures

    table = rows_of(run)
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


def silence_sentence(run: Run) -> str:
    """How many test stems are silent and therefore in no SDR, with the first; empty when none is."""
    rows = rows_of(run)
    stems = {(row["track"], row["stem"]) for row in rows}
    silent = sorted({(r["track"], r["stem"]) for r in rows if r["residue"] is not None and math.isfinite(r["residue"])})
    if not silent:
        return ""
    return (
        f"{len(silent)} of {len(stems)} test stems are silent (up to {SILENCE_DBFS:g} dBFS RMS; first {'/'.join(silent[0])}): in "
        "no SDR; the residue is the mean level in dBFS that is left on them, lower is better"
    )


def _place(name: str) -> tuple[int, str]:
    # Probes stand between the decision they are compared with and what is worse.
    return (ORDER.index(name) if name in ORDER else 3, name)


def print_result(run: Run) -> None:
    """What may be said, the table of arms, the most suspect stems, the stages and what they cost, and where the page is."""
    console = terminal()
    for line in verdict_of(run).sentences:
        console.print(plain(line))
    print_arms(run, console)
    shown.suspects(console, _most_suspect(run.read_table("decision.parquet")), used_in(run), run.root)
    record = run.read_json("run.json")
    seconds = ", ".join(
        f"{name} {stage['seconds']:.0f} s" for name, stage in record["stages"].items() if "seconds" in stage
    )
    console.print(f"stages: {seconds}; peak memory {record.get('peak_memory_gib', 0):.2f} GiB")
    if (best := record["stages"].get("search", {}).get("best_ratio")) is not None:
        removed = run.read_json("summary.json")["removed_share"]
        console.print(
            f"search by retraining prefers a ratio of {100 * best:.0f} %; the decision's is {100 * removed:.0f} %"
        )
    console.print(f"run: {run.root}")


def _most_suspect(decision: pa.Table) -> list[Row]:
    """The rows of those that are shown of a decision."""
    scored = decision.filter(pc.equal(decision["outcome"], Outcome.SCORED))
    return Decided.of(scored).worst(np.arange(len(scored)), shown.SUSPECTS)


def print_arms(run: Run, console: Any) -> None:
    """SDR of everything that was trained, and what is in no SDR."""
    shown.arms(console, arm_rows(run), BASELINE, tested_on(run))
    if silence := silence_sentence(run):
        console.print(silence)


def tested_on(run: Run) -> str:
    """Which tracks the arms were judged on, in words."""
    if run.has("test.parquet"):
        return "test tracks"
    return "reference tracks (no --test was given; the decision was calibrated on them)"


def rule_text(rule: dict[str, Any]) -> str:
    """``{"name": "Threshold", "p": 0.5}`` as "threshold, p 0.5"."""
    words = [rule["name"].lower(), *(f"{name} {value}" for name, value in rule.items() if name != "name")]
    return ", ".join(words)
