"""What a refit from a person's verdicts brings on the stems that nothing was said of: the tests' simulator, true verdicts.

    python -m benchmarks.refit --out docs/results
    python -m benchmarks.refit RUN TRUTH [RUN TRUTH …]

Worlds of 240 stems by the default rule, without the guard; verdicts on stems drawn at random, or on the most suspect ones. Of runs with
a truth table AUROC alone is printed, by the stored scores.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from functools import partial

import numpy as np
import pyarrow as pa

import raysep.decision.verdicts as decision
from benchmarks.results import write
from raysep.corpus import storage, truth
from raysep.decision.aggregate import text_column
from raysep.decision.refit import RIGHT, WRONG
from raysep.decision.share import estimate_share
from raysep.decision.suspicion import comparable, fused_suspicion
from raysep.evaluation.ranking import auroc
from raysep.probes.stored import oriented_in
from raysep.rundir import existing
from tests.decision.conftest import World, make_world

UNPLANTED = {"planted_kinds": ("clip", "noise", "lowpass"), "corpus_kinds": ("swap", "delay", "codec")}
WORLDS = {
    "usual: 40% wrong, 40 calibration stems": {},
    "faults that nobody planted": UNPLANTED,
    "3% wrong": {"share": 0.03},
    "16 calibration stems": {"calibration": 4, "planted": 4},
}
CHOSEN, COUNTS, SEEDS = ("at random", "the most suspect"), (10, 40), range(10, 16)
DRAWS = 2  # of the interval, which is not looked at


def compare(world: World, how: str, count: int, seed: int) -> dict[str, tuple[float, ...]]:
    """AUROC, wrong kept, clean lost (of the stems without a word), and the error of the share (of all)."""
    before = decision.verdicts(world.stems, strict=False)
    kind = {row["stem_id"]: row["kind"] for row in world.truth}
    ids = before["stem_id"].to_pylist()
    wrong = np.array([kind[stem_id] != "clean" for stem_id in ids])
    order = np.argsort(-before["suspicion"].to_numpy())
    if how == "at random":
        order = np.random.default_rng([seed, count]).permutation(len(ids))
    said = {ids[i]: "remove" if wrong[i] else "keep" for i in order[:count]}
    rest = np.ones(len(ids), dtype=bool)
    rest[order[:count]] = False
    tables = {"before": before, "refit": decision.verdicts(world.stems, strict=False, said=said)}
    return {name: _figures(table, wrong, rest) for name, table in tables.items()}


def _figures(table, wrong: np.ndarray, rest: np.ndarray) -> tuple[float, ...]:
    keep, suspicion = np.array(table["keep"].to_pylist()), table["suspicion"].to_numpy()
    error = decision.summary(table)["share"]["estimate"] - wrong.mean()
    bad, good = wrong & rest, ~wrong & rest
    ranked = auroc(suspicion[rest], wrong[rest]) if bad.any() else np.nan
    return ranked, keep[bad].mean() if bad.any() else np.nan, (~keep[good]).mean(), error


def of_run(place: str, table: str) -> list[tuple[str, int, float, float]]:
    """(on which stems, how many verdicts, AUROC of the others without them, with them), means of three draws."""
    stems = existing(place, "stems.parquet").read_table("stems.parquet").sort_by("stem_id")
    stems = stems.filter(pa.array([outcome == "scored" for outcome in stems["outcome"].to_pylist()]))
    kind = {row["stem_id"]: row["kind"] for row in truth.read(storage.absolute(table))}
    role, group = (text_column(stems, name, None) for name in ("role", "group"))
    group = np.array([own or track for own, track in zip(group, stems["track"].to_pylist(), strict=True)])
    features, known = comparable(stems, role, None, oriented_in(stems))
    corpus = np.flatnonzero(role == "corpus")
    wrong = np.array([kind[stems["stem_id"][int(i)].as_py()] != "clean" for i in corpus])

    def suspicion(said: np.ndarray) -> np.ndarray:
        kinds = text_column(stems, "kind", None)
        return fused_suspicion(features, known, role, group, kinds, True, 0, said=said)[corpus]

    before, rows = suspicion(np.zeros(len(role))), []
    for how in CHOSEN:
        orders = [np.argsort(-before)]
        if how == "at random":
            orders = [np.random.default_rng(draw).permutation(len(corpus)) for draw in range(3)]
        for count in COUNTS:
            found = []
            for order in orders:
                said, rest = np.zeros(len(role)), order[count:]
                said[corpus[order[:count]]] = np.where(wrong[order[:count]], WRONG, RIGHT)
                found.append([auroc(each[rest], wrong[rest]) for each in (before, suspicion(said))])
            rows.append((how, count, *np.mean(found, axis=0)))
    return rows


def page(rows: list[dict]) -> str:
    lines = [
        "| world | verdicts | on | AUROC | wrong kept | clean lost | share, minus the truth |",
        "|---|---:|---|---|---|---|---|",
    ]
    for row in rows:
        old, new = row["before"], row["refit"]
        lines.append(
            f"| {row['world']} | {row['count']} | {row['how']} | {old[0]:.3f} → {new[0]:.3f} | {old[1]:.1%} → {new[1]:.1%} | "
            f"{old[2]:.1%} → {new[2]:.1%} | {old[3]:+.3f} → {new[3]:+.3f} |".replace("%", " %")
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="RUN TRUTH")
    parser.add_argument("--out", default="docs/results")
    arguments = parser.parse_args()
    for place, table in zip(arguments.runs[::2], arguments.runs[1::2], strict=True):
        for how, count, old, new in of_run(place, table):
            print(f"{place}: {count} verdicts {how}: AUROC of the others {old:.3f} → {new:.3f}")
    if arguments.runs:
        return
    decision.estimate_share = partial(estimate_share, draws=DRAWS)
    found: dict[tuple[str, str, int], dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for name, settings in WORLDS.items():
        for seed in SEEDS:
            world = make_world(seed, **settings)
            for how in CHOSEN:
                for count in COUNTS:
                    for which, figures in compare(world, how, count, seed).items():
                        found[name, how, count][which].append(figures)
    rows = [
        {"world": world, "how": how, "count": count}
        | {which: [round(float(value), 5) for value in np.nanmean(values, axis=0)] for which, values in each.items()}
        for (world, how, count), each in found.items()
    ]
    about = "simulated scores of 240 stems, six seeds, means"
    write(
        arguments.out,
        "refit",
        "What a refit from verdicts brings",
        "python -m benchmarks.refit",
        about,
        page(rows),
        {"rows": rows},
    )


if __name__ == "__main__":
    main()
