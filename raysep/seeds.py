"""How many trainings of the same kind a verdict needs. Light: what shows a verdict loads it too."""

from __future__ import annotations

from collections.abc import Iterable

ENOUGH_SEEDS = 3  # of each arm, for a verdict on a way of training: two find next to nothing (docs/evaluate.md)


def few_seeds(counts: Iterable[int]) -> str:
    """``one seed`` or ``two seeds`` when the arm with the fewest has no more, else nothing.

    A verdict on fewer than three is on these networks; on the way in which they were trained it says little.
    """
    fewest = min(counts, default=ENOUGH_SEEDS)
    return "" if fewest >= ENOUGH_SEEDS else "two seeds" if fewest == 2 else "one seed"
