"""What the arms of `raysep benchmark run` reached: SDR, gain, share of the gap closed, and what may be said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysep.evaluation import paired
from raysep.evaluation.bootstrap import Interval
from raysep.evaluation.gate import Gate
from raysep.evaluation.hierarchical import hierarchical_interval
from raysep.evaluation.paired import Paired, Versus
from raysep.stages.arms import CLEAN, CLEANED, CONTAMINATED

Both = tuple[Interval, Interval]  # over corpora like these, and on these corpora


@dataclass(frozen=True)
class ArmFigure:
    """One arm over all draws, seeds, songs and stems."""

    arm: str
    stems: float  # trained on, mean over draws
    sdr: Both  # dB
    gain: Versus | None  # over contaminated; None for contaminated itself
    closed: Both | None  # share of the gap from contaminated to clean; None where there is no such gap


@dataclass(frozen=True)
class Figures:
    paired: Paired
    gates: list[Gate] | None  # of each draw; None without the arm clean
    arms: list[ArmFigure]  # best first
    comparisons: list[Versus]  # what was cleaned, against every other arm but contaminated

    @property
    def allowed(self) -> bool:
        """Whether anything may be concluded: no draw fails its gate. Without clean training nobody can tell."""
        return self.gates is None or all(gate.passed for gate in self.gates)


def figures(rows: Sequence[Mapping[str, Any]], draws: int = 2000) -> Figures:
    """Of the rows ``draw, arm, seed, track, stem, sdr, trained_stems``, in any order."""
    found = paired.paired(rows)
    sizes = {(row["arm"], row["draw"]): row["trained_stems"] for row in rows}
    arms = [_arm(found, arm, [sizes[arm, draw] for draw in found.draws], draws) for arm in found.arms]
    cleaned = [arm for arm in found.arms if arm == CLEANED or arm.startswith(f"{CLEANED}:")]
    pairs = [(arm, other) for arm in cleaned for other in found.arms if other not in (arm, CONTAMINATED)]
    return Figures(
        paired=found,
        gates=paired.gates(found, CLEAN, CONTAMINATED) if CLEAN in found.arms else None,
        arms=sorted(arms, key=lambda arm: (-arm.sdr[0].estimate, arm.arm)),
        comparisons=[paired.versus(found, arm, other, draws) for arm, other in pairs],
    )


def _arm(found: Paired, arm: str, sizes: Sequence[int], draws: int) -> ArmFigure:
    values = found.arms[arm]
    compared = arm != CONTAMINATED
    return ArmFigure(
        arm,
        float(np.mean(sizes)),
        (hierarchical_interval(values, draws=draws), hierarchical_interval(values, fixed=True, draws=draws)),
        paired.versus(found, arm, CONTAMINATED, draws) if compared else None,
        paired.closed(found, arm, CONTAMINATED, CLEAN, draws)
        if compared and arm != CLEAN and CLEAN in found.arms
        else None,
    )
