"""How well the share of wrong stems is estimated, and whether its interval holds, in simulated score tables.

    python -m benchmarks.share [CORPORA]

For every true share, and for faults that were planted, that were not, and that are strong throughout (wrong labels): the mean
estimate, its mean error, how often the 95 % interval holds the truth and how wide it is, and what the default rule removes.
Reads no audio; about a second a corpus (20 of each by default). Prints Markdown.
"""

from __future__ import annotations

import sys

import numpy as np

from raysep.decision.verdicts import summary, verdicts
from tests.decision.conftest import KINDS, make_world

SHARES = (0.0, 0.1, 0.2, 0.4)
PLANTED = tuple(KINDS)
CASES = {
    "all ten planted, all ten there": (PLANTED, PLANTED),
    "five planted, the other five there": (PLANTED[:5], PLANTED[5:]),
    "all ten planted, wrong labels there": (PLANTED, ("swap", "merge")),
}


def one(seed: int, share: float, planted: tuple[str, ...], there: tuple[str, ...]) -> list[float]:
    """π̂, whether the interval holds π, its width, the clean stems lost, the corrupted removed, whether it was refused."""
    world = make_world(
        seed, share=share, strength=1.2, planted_kinds=planted, corpus_kinds=there, folds=2, planted=10, copies=1
    )
    decision = verdicts(world.stems, seed=seed)
    told, kind = summary(decision), {row["stem_id"]: row["kind"] for row in world.truth}
    wrong = np.array([kind[stem_id] not in (None, "", "clean") for stem_id in decision["stem_id"].to_pylist()])
    removed = ~np.array(decision["keep"].to_pylist())
    lost, found = removed[~wrong].mean(), removed[wrong].mean() if wrong.any() else np.nan
    if told["estimated_share"] is None:
        return [np.nan, np.nan, np.nan, lost, found, 1.0]
    low, high = told["estimated_share_interval"]
    return [told["estimated_share"], low <= share <= high, high - low, lost, found, 0.0]


def main(corpora: int = 20) -> None:
    print(f"{corpora} corpora a line: 60 tracks, 10 reference tracks in two folds, strength 1.2\n")
    print(
        "| faults | true share | mean π̂ | mean error | interval holds | its width | clean lost | wrong removed | refused |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, (planted, there) in CASES.items():
        for share in SHARES:
            rows = np.array([one(seed, share, planted, there) for seed in range(corpora)], dtype=float)
            error = np.nanmean(np.abs(rows[:, 0] - share))
            means = [np.nanmean(column) if np.isfinite(column).any() else np.nan for column in rows.T]
            estimate, holds, width, lost, found, refused = means
            caught = "" if np.isnan(found) else f"{found:.0%}"
            print(
                f"| {name} | {share:g} | {estimate:.3f} | {error:.3f} | {holds:.0%} | {width:.2f} | {lost:.1%} | {caught} "
                f"| {refused:.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:]))
