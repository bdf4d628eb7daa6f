"""What cleaning brought: one arm of a run against another, and the verdict on the run. Before there are results no table is loaded."""

from __future__ import annotations

from typing import Any

from raysep.report.verdict import Verdict
from raysep.rundir import Run

BASELINE = "contaminated"  # what the other arms are compared with
CLEANED, REFERENCE = "cleaned", "reference"


def verdict_of(run: Run) -> Verdict:
    """What may be said of a run that has decided, proven or not."""
    summary = run.read_json("summary.json")
    if not run.has("results.parquet"):
        return Verdict.of(summary)
    return Verdict.of(summary, gain(run), reference_alone(run))


def gain(run: Run, draws: int = 2000) -> dict[str, Any] | None:
    """What cleaning brought over contaminated training, and the share of the gap to clean training it closed.

    The share has no bounds where the gap itself cannot be told from none. ``seeds`` is how many the arm with fewer has.
    """
    from raysep.evaluation.crossed import share_interval
    from raysep.evaluation.table import grid

    table = rows_of(run)
    result = _over(table, CLEANED, BASELINE, draws)
    if result and "clean" in {row["arm"] for row in table}:
        cleaned, contaminated, clean = (grid(table, arm, "sdr").values for arm in (CLEANED, BASELINE, "clean"))
        closed = share_interval(cleaned - contaminated, clean - contaminated, draws=draws)
        result |= {"closed": closed.estimate, "closed_low": closed.low, "closed_high": closed.high}
    return result


def reference_alone(run: Run, draws: int = 2000) -> dict[str, Any] | None:
    """By how much training on the reference alone is above training on the cleaned corpus; None without both arms."""
    return _over(rows_of(run), REFERENCE, CLEANED, draws)


def _over(table: list[dict[str, Any]], arm: str, other: str, draws: int) -> dict[str, Any] | None:
    from raysep.evaluation.compare import compare

    if not {arm, other} <= {row["arm"] for row in table}:
        return None
    found = compare(table, arm, other, ("sdr",), draws=draws)[0]
    difference = found.difference
    about = {"arm": arm, "over": other, "seeds": min(found.seeds)}
    return about | {"db": difference.estimate, "low": difference.low, "high": difference.high}


def rows_of(run: Run) -> list[dict[str, Any]]:
    """The rows of ``results.parquet`` as evaluation reads them: a model is an arm. Runs of before know no residue."""
    rows = run.read_table("results.parquet").to_pylist()
    return [{"residue": None, **row, "model": row["arm"]} for row in rows]
