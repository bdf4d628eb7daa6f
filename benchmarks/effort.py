"""Does it pay to read more of the doubtful stems? From a finished, fully scored run; no audio is touched.

    python -m benchmarks.effort RUN TRUTH --out docs/results

Subsets of the run's segment rows stand for passes that read less. At equal totals two ways of spending them are compared:
every stem alike, and a first look whose scores say where the rest goes (``scoring.first_segments``, ``scoring.budget``).
Each is decided as the run was, and held against the decision from all segments and against the truth.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from benchmarks.results import write
from raysep.config import Config, from_dict
from raysep.corpus import truth
from raysep.corpus.storage import absolute
from raysep.decision.aggregate import per_stem, with_roles
from raysep.decision.effort import allocate, first_of
from raysep.decision.first_look import further_segments
from raysep.evaluation.bootstrap import Interval, cluster_weights, interval_of
from raysep.evaluation.ranking import finite_mean, weighted_ranking
from raysep.probes.catalogue import PROBES
from raysep.rundir import Run, read_scores
from raysep.stages.decide import by_rule

DRAWS = 1000
ORIENTED = {name for name, probe in PROBES.items() if probe.oriented}
ALIKE = (1, 2, 3, 4, 6, 8)  # segments of every stem
FIGURES = ("macro_auroc", "average_precision", "errors_full", "errors_truth")


@dataclass(frozen=True)
class Scored:
    """A full pass: every segment row of the stems that are judged, calibrate or were planted."""

    rows: pa.Table
    probes: list[str]
    corpus: frozenset[str]
    roles: dict[str, tuple[str, str, str]]
    config: Config
    places: dict[str, np.ndarray]  # stem_id → numbers of its rows, in the order of its segments
    audible: dict[str, np.ndarray]  # stem_id → which of them are
    scored: np.ndarray  # (row,), the audible ones: what costs

    def rolled(self, by: int) -> Scored:
        """The same with the segments of every stem moved round: other ones are read first, spread as before."""
        return replace(
            self,
            places={name: np.roll(places, by) for name, places in self.places.items()},
            audible={name: np.roll(audible, by) for name, audible in self.audible.items()},
        )

    def stems(self, kept: np.ndarray) -> pa.Table:
        rows = self.rows.filter(pa.array(kept))
        return with_roles(per_stem(rows, self.probes, ORIENTED), self.corpus, self.roles)


def read(run: Run) -> Scored:
    rows = read_scores(run)
    rows = rows.filter(pa.compute.not_equal(rows["outcome"], "failed"))
    planted = (r for r in run.read_table("roles.parquet").to_pylist() if r["role"] != "noisy")
    roles = {r["stem_id"]: (r["role"], r["kind"], r["origin"]) for r in planted}
    corpus = frozenset(run.read_table("manifest.parquet")["stem_id"].to_pylist())
    used = [name in corpus or name in roles for name in rows["stem_id"].to_pylist()]
    rows = rows.filter(pa.array(used)).sort_by([("stem_id", "ascending"), ("segment", "ascending")])
    scored = np.array(rows["outcome"].to_pylist()) == "scored"
    names, first = np.unique(np.array(rows["stem_id"].to_pylist()), return_index=True)
    places = dict(zip(names.tolist(), np.split(np.arange(len(rows)), first[1:]), strict=True))
    probes = [name for name in PROBES if name in rows.column_names]
    config = from_dict(run.read_json("run.json")["config"])
    return Scored(rows, probes, corpus, roles, config, places, {n: scored[p] for n, p in places.items()}, scored)


# Two ways of spending


def some(scored: Scored, number: dict[str, int], first: int) -> np.ndarray:
    """Which rows ``(row,)`` are read when each stem gets so many audible segments: silent ones cost nothing."""
    kept = np.zeros(len(scored.rows), dtype=bool)
    for name, places in scored.places.items():
        audible = scored.audible[name]
        kept[places[first_of(audible, number[name], first) | ~audible]] = True
    return kept


def even(scored: Scored, total: int, seed: int) -> np.ndarray:
    """Every stem alike, as evenly as the total allows."""
    names = list(scored.places)
    unread = np.array([scored.audible[name].sum() for name in names])
    unknown = np.full(len(names), np.nan)
    given = allocate(names, unknown, np.ones(len(names)), 0 * unread, unread, 0.0, total, seed)
    each = max(1, min(int(given[unread > 0].max()), total // max(1, int((unread > 0).sum()))))
    return some(scored, dict(zip(names, given.tolist(), strict=True)), each)


def adaptive(scored: Scored, first: int, budget: float, seed: int) -> np.ndarray:
    """A first look, and the rest where its scores are near the boundary."""
    number = {name: min(first, int(a.sum())) for name, a in scored.audible.items()}
    seen = some(scored, number, first)
    stems = scored.stems(seen)
    stems = stems.filter(pa.compute.equal(stems["outcome"], "scored"))
    unread = np.array([int(scored.audible[n].sum()) - number[n] for n in stems["stem_id"].to_pylist()])
    rows = scored.rows.filter(pa.array(seen & scored.scored))
    total = int(budget * unread.sum())
    plan = further_segments(stems, rows, unread, total, scored.config.decision.threshold, seed)
    for name, further in zip(plan["stem_id"].to_pylist(), plan["further"].to_pylist(), strict=True):
        number[name] += further
    return some(scored, number, first)


# What they find


@dataclass(frozen=True)
class Found:
    """Of the stems that were scored, in ``stem_id`` order; one entry per seed where there are several."""

    suspicion: np.ndarray  # (seed, stem)
    keep: np.ndarray  # (seed, stem)
    share: list[float | None]  # estimated
    segments: int


def decide(scored: Scored, kept: Sequence[np.ndarray], seeds: Sequence[int]) -> Found:
    tables = [by_rule(scored.stems(rows), scored.config.decision, seed) for rows, seed in zip(kept, seeds, strict=True)]
    from raysep.decision.verdicts import summary

    return Found(
        np.array([t["suspicion"].to_pylist() for t in tables], dtype=float),
        np.array([t["keep"].to_pylist() for t in tables], dtype=bool),
        [summary(t)["estimated_share"] for t in tables],
        round(float(np.mean([(rows & scored.scored).sum() for rows in kept]))),
    )


def figures(found: Found, full: Found, kind: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Each figure ``(1 + draw,)``, mean over seeds: first as measured, then redrawn by track."""
    clean = kind == truth.CLEAN
    areas, precisions = [], []
    for suspicion in found.suspicion:
        by_kind = [weighted_ranking(suspicion, kind == k, clean, weights)[0] for k in sorted(set(kind[~clean]))]
        areas.append(finite_mean(np.array(by_kind)))
        precisions.append(weighted_ranking(suspicion, ~clean, clean, weights)[1])
    total = weights.sum(axis=1)
    return {
        "macro_auroc": np.mean(areas, axis=0),
        "average_precision": np.mean(precisions, axis=0),
        "errors_full": weights @ (found.keep != full.keep).mean(axis=0) / total,
        "errors_truth": weights @ (found.keep != clean).mean(axis=0) / total,
    }


def measure(scored: Scored, kinds: dict[str, str], settings: Sequence[tuple[int, float]], seeds: Sequence[int]) -> dict:
    """Every figure with its interval: of all segments, of fewer of every stem alike, and of the two ways at equal totals."""
    names = sorted(scored.corpus & scored.places.keys())
    kind = np.array([kinds[name] for name in names])
    weights = np.vstack(
        [np.ones((1, len(names)), dtype=int), cluster_weights([n.rsplit("/", 1)[0] for n in names], DRAWS, 0)]
    )
    full = decide(scored, [np.ones(len(scored.rows), dtype=bool)] * len(seeds), seeds)

    def judged(kept: Sequence[np.ndarray]) -> tuple[dict, dict[str, np.ndarray]]:
        found = decide(scored, kept, seeds)
        values = figures(found, full, kind, weights)
        shares = [share for share in found.share if share is not None]
        about = {"segments": found.segments, "estimated_share": float(np.mean(shares)) if shares else None}
        return about | {name: _interval(v).to_dict() for name, v in values.items()}, values

    most = max(int(audible.sum()) for audible in scored.audible.values())
    alike = {}
    for number in [n for n in ALIKE if n < most] + [most]:
        each = dict.fromkeys(scored.places, number)
        alike[number], _ = judged([some(scored.rolled(seed), each, number) for seed in seeds])
    compared = []
    for first, budget in settings:
        chosen = [adaptive(scored.rolled(seed), first, budget, seed) for seed in seeds]
        totals = [int((rows & scored.scored).sum()) for rows in chosen]
        others = [even(scored.rolled(seed), total, seed) for seed, total in zip(seeds, totals, strict=True)]
        (ours, a), (theirs, b) = judged(chosen), judged(others)
        difference = {name: _interval(a[name] - b[name]).to_dict() for name in FIGURES}
        compared.append(
            {"first_segments": first, "budget": budget, "even": theirs, "adaptive": ours, "difference": difference}
        )
        print(_rows(compared[-1], alike[most]["segments"]), flush=True)
    return {"alike": alike, "compared": compared}


def _interval(values: np.ndarray) -> Interval:
    return interval_of(values[0], values[1:])


# The page

ABOUT = """`read` is the share of all audible segments. *Decided otherwise* counts stems that are kept where the decision from all
segments removes them, or the reverse; *wrongly*, the same against the truth. A difference is adaptive less even, over
the same draws: above zero is better for the first two figures, worse for the others."""
HEAD = "macro AUROC | average precision | decided otherwise than by all | decided wrongly |"


def page(found: dict[str, dict]) -> str:
    """A section for each run and set of probes."""
    lines = [ABOUT, ""]
    for name, result in found.items():
        everything = list(result["alike"].values())[-1]["segments"]
        lines += [f"## {name}", "", "Every stem alike:", "", f"| segments of a stem | read | {HEAD}", "|---:" * 6 + "|"]
        for number, shown in result["alike"].items():
            cells = " | ".join(_text(shown[figure]) for figure in FIGURES)
            lines.append(f"| {number} | {shown['segments'] / everything:.0%} | {cells} |")
        lines += [
            "",
            "At equal totals:",
            "",
            f"| first look | budget | read | | {HEAD}",
            "|---:|---:|---:|---|" + "---:|" * 4,
        ]
        lines += [_rows(compared, everything) for compared in result["compared"]] + [""]
    return "\n".join(lines)


def _rows(compared: dict, everything: int) -> str:
    read = compared["adaptive"]["segments"] / everything
    head = f"| {compared['first_segments']} | {compared['budget']:g} | {read:.0%} |"
    return "\n".join(
        f"{head if name == 'even' else '| | | |'} {name} | "
        + " | ".join(_text(compared[name][figure], signed=name == "difference") for figure in FIGURES)
        + " |"
        for name in ("even", "adaptive", "difference")
    )


def _text(interval: dict, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{interval['estimate']:{sign}.3f} ({interval['low']:{sign}.3f} … {interval['high']:{sign}.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN TRUTH", help="a run's folder and its truth table, in pairs")
    parser.add_argument("--settings", nargs="+", default=["1,0.2", "2,0.25", "2,0.5"], help="first_segments,budget")
    parser.add_argument(
        "--seeds", type=int, default=5, help="repetitions: fold partitions, and which segments come first"
    )
    parser.add_argument("--out", default="docs/results")
    arguments = parser.parse_args()
    settings = [(int(first), float(budget)) for first, budget in (pair.split(",") for pair in arguments.settings)]
    found: dict[str, dict] = {}
    for folder, table in zip(arguments.runs[::2], arguments.runs[1::2], strict=True):
        scored = read(Run(folder))
        kinds = {row["stem_id"]: row["kind"] for row in truth.read(absolute(table))}
        single = replace(scored, probes=[name for name in scored.probes if PROBES[name].context != "stem"])
        most = max(map(len, scored.places.values()))
        name = f"{os.path.basename(folder)}: {len(kinds)} stems of up to {most} segments"
        for about, part in (("all probes", scored), ("only the probes that read segments", single)):
            found[f"{name}, {about}"] = measure(part, kinds, settings, range(arguments.seeds))
    write(
        arguments.out,
        "effort",
        "Adaptive effort",
        f"python -m benchmarks.effort {' '.join(os.path.relpath(path) for path in arguments.runs)}",
        f"95 % intervals from {DRAWS} draws of whole tracks; mean of {arguments.seeds} repetitions that differ in the fold "
        "partition and in which segments come first",
        page(found),
        found,
    )


if __name__ == "__main__":
    main()
