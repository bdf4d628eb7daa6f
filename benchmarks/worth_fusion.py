"""What a stem's worth adds to the fusion, on scored runs with truth tables.

    raysep worth RUN --evidence --seeds 2
    python -m benchmarks.worth_fusion RUN TRUTH [RUN TRUTH …]

Decides each run twice, without worth among the probes and with it, and ranks what is found: AUROC weighed by harm and macro
over kinds, the difference with an interval over tracks drawn alike for both; then over the runs.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats

from benchmarks.results import write
from raysep.again import judge_again
from raysep.corpus import harm, storage, truth
from raysep.decision.worth import found_in
from raysep.evaluation.bootstrap import cluster_weights, interval_of
from raysep.evaluation.ranking import CLEAN, finite_mean, weighted_ranking
from raysep.rundir import Run, existing

DRAWS = 2000
MEASURES = ("weighed by harm", "macro over kinds")


def measured(
    score: np.ndarray, kinds: np.ndarray, severities: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Of each measure its AUROC by row of ``weights``, suspicion ``(stem,)`` being higher = more suspect."""
    of_kind = partial(weighted_ranking, score, negative=kinds == CLEAN, weights=weights)
    cells = sorted({(k, s) for k, s in zip(kinds, severities, strict=True) if k != CLEAN})
    costs = np.array([harm.stored().weight(*cell) for cell in cells])
    areas = np.array([of_kind(positive=(kinds == k) & (severities == s))[0] for k, s in cells])
    known = costs > 0
    names = sorted({k for k, _ in cells})
    return {
        MEASURES[0]: finite_mean(areas[known], costs[known]),
        MEASURES[1]: finite_mean(np.array([of_kind(positive=kinds == name)[0] for name in names])),
    }


def compared(place: str, table: str, seed: int = 0) -> dict[str, Any]:
    """Both decisions of a run: estimates, and draws of the difference by measure."""
    run = existing(place, "stems.parquet")
    known = {row["stem_id"]: row for row in truth.read(storage.absolute(table))}
    found: dict[str, Any] = {}
    for name, worth in (("without", False), ("with", True)):
        decision = judge_again(run, {}, worth=worth).table
        decision = decision.filter(pa.compute.equal(decision["outcome"], "scored"))
        ids = decision["stem_id"].to_pylist()
        kinds, severities = (np.array([known[i][key] or "" for i in ids], object) for key in ("kind", "severity"))
        weights = np.vstack([np.ones(len(ids)), cluster_weights(np.array(decision["track"].to_pylist()), DRAWS, seed)])
        found[name] = measured(np.array(decision["suspicion"].to_pylist()), kinds, severities, weights)
        found["alone"] = alone(run, ids, np.array(decision["stem"].to_pylist()), kinds)
    return found


def alone(run: Run, ids: list[str], labels: np.ndarray, kinds: np.ndarray) -> float:
    """AUROC of worth by itself, macro over kinds, ranked within each label."""
    table = found_in(run)
    worth = dict(zip(table["stem_id"].to_pylist(), table["worth"].to_pylist(), strict=True))
    value = np.array([worth.get(stem_id, np.nan) for stem_id in ids], float)
    rank = np.full(len(ids), 0.5)
    for label in np.unique(labels):
        mine = np.flatnonzero((labels == label) & np.isfinite(value))
        rank[mine] = stats.rankdata(-value[mine]) / len(mine)
    ones = np.ones((1, len(ids)))
    names = sorted(set(kinds) - {CLEAN})
    return float(np.mean([weighted_ranking(rank, kinds == name, kinds == CLEAN, ones)[0][0] for name in names]))


def page(found: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    lines = [
        "| run | measure | without worth | with it | difference, 95 % over tracks | worth alone, macro |",
        "|---|---|---:|---:|---|---:|",
    ]
    figures: dict[str, Any] = {}
    for measure in MEASURES:
        gains = []
        for name, each in found.items():
            without, with_it = each["without"][measure], each["with"][measure]
            gain = interval_of(with_it[0] - without[0], with_it[1:] - without[1:])
            gains.append(gain.estimate)
            figures[f"{name}, {measure}"] = [float(without[0]), float(with_it[0]), gain.low, gain.high, each["alone"]]
            lines.append(
                f"| {name} | {measure} | {without[0]:.3f} | {with_it[0]:.3f} | {gain.estimate:+.3f} ({gain.low:+.3f} … "
                f"{gain.high:+.3f}) | {each['alone']:.2f} |"
            )
        if len(gains) > 1:
            mean, error = float(np.mean(gains)), float(stats.sem(gains))
            half = error * float(stats.t.ppf(0.975, len(gains) - 1))
            figures[f"mean, {measure}"] = [mean, mean - half, mean + half]
            lines.append(
                f"| mean of {len(gains)} corpora | {measure} | | | {mean:+.3f} ({mean - half:+.3f} … {mean + half:+.3f}), "
                "by Student's t over corpora | |"
            )
    return "\n".join(lines), figures


def main() -> None:
    options_of = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options_of.add_argument("places", nargs="+", metavar="RUN TRUTH")
    options_of.add_argument("--out", default="docs/results")
    options = options_of.parse_args()
    if len(options.places) % 2:
        options_of.error("give a truth table for each run")
    pairs = zip(options.places[::2], options.places[1::2], strict=True)
    words, figures = page({place.rstrip("/").rpartition("/")[2]: compared(place, table) for place, table in pairs})
    write(
        options.out,
        "worth-fusion",
        "What worth adds to the fusion",
        "python -m benchmarks.worth_fusion RUN TRUTH …",
        "stored scores alone are read",
        words,
        figures,
    )
    print(words)


if __name__ == "__main__":
    main()
