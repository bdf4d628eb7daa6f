"""What the fusion's prior, and trusting what is learnt by how much clean evidence there is, bring on runs with a truth table.

    python -m benchmarks.fusion RUN TRUTH [RUN TRUTH …]

Reads stored scores alone: seconds a run. Prints macro AUROC over kinds, and the default decision's losses, without the two and
with them.
"""

from __future__ import annotations

import sys

from raysep.corpus import storage, truth
from raysep.decision.fusion import Fusion
from raysep.decision.verdicts import summary, verdicts
from raysep.evaluation.detection import detection
from raysep.probes.stored import oriented_in
from raysep.rundir import existing

FUSIONS = {"without": Fusion(prior=0.0, enough=0.0), "with": Fusion()}


def main(arguments: list[str]) -> None:
    if not arguments or len(arguments) % 2:
        raise SystemExit(__doc__)
    print(
        f"{'run':40} {'calibration':>11} {'fusion':8} {'macro':>6} {'share':>6} {'wrong kept':>10} {'clean lost':>10}"
    )
    for place, table in zip(arguments[::2], arguments[1::2], strict=True):
        run, rows = existing(place, "stems.parquet"), truth.read(storage.absolute(table))
        stems, seed = run.read_table("stems.parquet"), run.read_json("run.json")["config"]["seed"]
        for name, fusion in FUSIONS.items():
            decision = verdicts(stems, oriented=oriented_in(stems), seed=seed, fusion=fusion)
            found, told = detection(decision, rows, draws=2), summary(decision)
            share = told["share"]["estimate"] if told["share"] else float("nan")
            losses = f"{1 - found.removal.corrupted_removed:10.1%} {found.removal.clean_lost:10.1%}"
            evidence = told["evidence"]["calibration"]
            print(f"{place[-40:]:40} {evidence:11} {name:8} {found.macro.estimate:6.3f} {share:6.3f} {losses}")


if __name__ == "__main__":
    main(sys.argv[1:])
