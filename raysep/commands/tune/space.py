"""What there is to search in a run: the ratios, the probes that are worth it, and the handlings that differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.config import Config
from raysep.corpus.manifest import Stem
from raysep.decision import handling
from raysep.decision.aggregate import numbers
from raysep.decision.handling.reading import rows_of
from raysep.decision.roles import CALIBRATION, PLANTED
from raysep.decision.rules import FUSED
from raysep.errors import BadInput
from raysep.evaluation.ranking import auroc
from raysep.outcome import Outcome
from raysep.probes.stored import oriented_in
from raysep.rundir import Run
from raysep.stages import decide
from raysep.stages.search import Space
from raysep.training.entry import Entry

STEP = 0.05  # between ratios
SPREAD = 4  # of the trials
PROBES = 3  # beside the fusion, unless they are named
ALIKE = 0.9  # Spearman correlation from which two probes are one
LEAST = 0.01  # of the corpus: handlings that use less of it otherwise are one
LOW_AND_HIGH = (0.1, 0.5)  # ratios by which handlings are compared
DROP = "drop"


def space_of(run: Run, config: Config, stems: Sequence[Stem], named: Sequence[str] = ()) -> tuple[Space, list[str]]:
    """The space, and in words what is not in it though it might have been. Raises ``BadInput`` for a probe without scores."""
    scores = run.read_table("stems.parquet")
    probes, told = (named_probes(scores, named), []) if named else chosen_probes(scores)
    ours = [name for name in handling.HANDLINGS if not handling.resolve(name).table]  # what goes by the decision alone
    names = dict.fromkeys([DROP, *ours, config.decision.handling])
    low, high = (_used(run, ratio, list(names), stems) for ratio in LOW_AND_HIGH)
    handlings, left_out = distinct(low, high, len(stems))
    return Space(ratios_of(config.decision.floor), probes, handlings), [*told, *left_out]


def ratios_of(floor: float) -> tuple[float, ...]:
    """Steps of 5 % up to what the floor leaves of a label, which is never all of it; one at least."""
    count = max(1, int((1 - max(floor, STEP)) / STEP + 1e-9))
    return tuple(round(STEP * (k + 1), 2) for k in range(count))


def spread(space: Space, trials: int) -> list[dict[str, Any]]:
    """The first trials: ratios all over the range, by the fusion, dropped. So there is a curve whatever is drawn then."""
    count = min(SPREAD, trials, len(space.ratios))
    places = np.linspace(0, len(space.ratios) - 1, 2 * count + 1)[1::2]
    return [space.at(space.ratios[round(place)]) for place in places]


# Probes


def named_probes(scores: pa.Table, names: Sequence[str]) -> tuple[str, ...]:
    known = [FUSED, *oriented_in(scores)]
    if unknown := [name for name in names if name not in known]:
        raise BadInput(f"--probe {unknown[0]}: the run has no scores of it that have a direction; {', '.join(known)}")
    return tuple(dict.fromkeys(names))


def chosen_probes(scores: pa.Table) -> tuple[tuple[str, ...], list[str]]:
    """The fusion and the best by planted faults, of those that rank alike only the best; and what to say of them."""
    told = told_apart(scores)
    if not told:
        return (FUSED,), ["no faults were planted that probes could be chosen by: only the fusion is searched"]
    chosen: list[str] = []
    for name in sorted(told, key=lambda name: (-told[name], name)):
        if len(chosen) < PROBES and not any(rank_alike(scores, name, other) for other in chosen):
            chosen.append(name)
    listed = ", ".join(f"{name} {told[name]:.2f}" for name in chosen)
    return (FUSED, *chosen), [f"probes beside the fusion, by the AUROC of planted faults: {listed}"]


def told_apart(scores: pa.Table) -> dict[str, float]:
    """AUROC of planted against calibration stems by every oriented probe, the mean over labels that have both."""
    role = np.array(scores["role"].to_pylist(), dtype=object)
    label = np.array(scores["stem"].to_pylist(), dtype=object)
    found = {}
    for name in oriented_in(scores):
        value = numbers(scores, name)
        known = np.isfinite(value) & np.isin(role, (PLANTED, CALIBRATION))
        each = [
            auroc(-value[rows], role[rows] == PLANTED) for rows in (known & (label == one) for one in np.unique(label))
        ]
        if np.isfinite(each).any():
            found[name] = float(np.nanmean(each))
    return found


def rank_alike(scores: pa.Table, first: str, second: str) -> bool:
    from scipy.stats import spearmanr

    one, other = numbers(scores, first), numbers(scores, second)
    both = np.isfinite(one) & np.isfinite(other) & (np.array(scores["outcome"].to_pylist()) == Outcome.SCORED)
    if both.sum() < 3 or np.ptp(one[both]) == 0 or np.ptp(other[both]) == 0:
        return False
    return abs(float(spearmanr(one[both], other[both]).statistic)) > ALIKE


# Handlings


def _used(run: Run, ratio: float, names: Sequence[str], stems: Sequence[Stem]) -> dict[str, list[Entry]]:
    """What each handling makes of the corpus at a ratio, by the fusion."""
    table = decide.table_again(run, {"rule": "ratio", "ratio": ratio, "probe": FUSED, "handling": DROP})
    return {name: handling.use(name, rows_of(handling.supplied(name, table, run)), stems) for name in names}


def distinct(
    low: Mapping[str, list[Entry]], high: Mapping[str, list[Entry]], stems: int
) -> tuple[tuple[str, ...], list[str]]:
    """The handlings that go by the ratio and use the corpus unlike one another; and why the others are left out.

    ``low`` and ``high`` are what each makes of the corpus at a low and at a high ratio; the first one stays in any case.
    """
    first = next(iter(high))
    same = {name: "uses much the same at every ratio" for name in high if not _differ(low[name], high[name], stems)}
    for one, other in combinations(high, 2):
        if one not in same and not _differ(high[one], high[other], stems):
            same.setdefault(other, f"does here as {one} does")
    same.pop(first, None)
    told = [f"the handling {name} is not searched: it {why}" for name, why in same.items()]
    return tuple(name for name in high if name not in same), told


def _differ(one: list[Entry], other: list[Entry], stems: int) -> bool:
    uses = [{(entry.stem.stem_id, entry.label): entry.weight for entry in entries} for entries in (one, other)]
    moved = sum(abs(uses[0].get(key, 0.0) - uses[1].get(key, 0.0)) for key in {*uses[0], *uses[1]})
    return moved > LEAST * stems
