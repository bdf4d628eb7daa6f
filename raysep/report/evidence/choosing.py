"""Which stems a report lets one hear: not the ten worst, which may well be ten of one kind, but what a listener needs.

- *suspects*: the most suspect ones, then of each kind and label that is not there yet the one that is most surely of it;
- *doubtful* ones, on either side of the line between kept and removed: where a second opinion changes most;
- *kept* ones, as an ear's measure of what passes, from the middle of each label's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SUSPECT, DOUBTFUL, KEPT = "suspect", "doubtful", "kept"
CHANGED = "changed"  # by a person's verdicts on others: said by whom the page is made for
ALWAYS = 3  # of the most suspect, whatever they look like


@dataclass(frozen=True)
class Candidates:
    """Stems that can be heard, by column ``(stem,)``."""

    stem_id: pa.Array
    label: np.ndarray  # numbers in the labels' order
    kind: np.ndarray  # numbers of what they look like: a guessed fault, the probe that speaks loudest, nothing
    suspicion: np.ndarray
    keep: np.ndarray
    sure: np.ndarray  # how surely of that kind, 0 … 1

    @property
    def worst(self) -> np.ndarray:
        """Their numbers, the most suspect first, equal ones by name."""
        keys = pa.table({"suspicion": self.suspicion, "stem_id": self.stem_id})
        order = pc.sort_indices(keys, sort_keys=[("suspicion", "descending"), ("stem_id", "ascending")])
        return order.to_numpy().astype(np.int64)


class Chosen(NamedTuple):
    stem_id: str
    group: str  # SUSPECT, DOUBTFUL, KEPT or CHANGED


def choose(stems: Candidates, suspects: int = 16, doubtful: int = 6, kept: int = 6) -> list[Chosen]:
    """At most so many of each group, no stem twice: the suspects worst first, then the others likewise.

    Where nothing is removed the suspects are the most suspect of all, and half of the stems at most, so that some kept ones
    remain. The same stems in another order give the same choice.
    """
    worst = stems.worst
    removed = worst[~stems.keep[worst]]
    among = removed if len(removed) else worst[: max(ALWAYS, len(worst) // 2)]
    first = varied(stems, among, min(suspects, len(among)))
    left = worst[~np.isin(worst, first)]
    second = _beside_the_line(stems, left, doubtful) if len(removed) else []
    left = left[stems.keep[left] & ~np.isin(left, second)]
    third = _typical(stems, left, kept)
    groups = ((SUSPECT, first), (DOUBTFUL, second), (KEPT, third))
    return [
        Chosen(stems.stem_id[row].as_py(), group)
        for group, found in groups
        for row in worst[np.isin(worst, found)].tolist()
    ]


def varied(stems: Candidates, worst: np.ndarray, count: int) -> list[int]:
    """``count`` of them: the first ``ALWAYS``, then each time one of the kind that is there least often.

    Of these the surest, to a tenth, then of the label that is there least often, then the most suspect: a guess that errs
    is of a kind that is there already, and the most suspect stems of a weak kind are often strong ones of another.
    """
    chosen = worst[: min(ALWAYS, count)].tolist()
    left = worst[len(chosen) :]
    unsure = -np.fromiter((round(sure, 1) for sure in stems.sure.tolist()), float, len(stems.sure))
    while len(left) and len(chosen) < count:
        rarest = left
        for often in (_times(stems.kind, chosen), unsure, _times(stems.label, chosen)):
            rarest = rarest[often[rarest] == often[rarest].min()]
        chosen.append(int(rarest[0]))
        left = left[left != rarest[0]]
    return chosen


def _times(numbers: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """How many of the chosen have each stem's number ``(stem,)``."""
    return np.bincount(numbers[list(chosen)], minlength=int(numbers.max(initial=0)) + 1)[numbers]


def _beside_the_line(stems: Candidates, worst: np.ndarray, count: int) -> list[int]:
    """The least suspect removed ones and the most suspect kept ones, half of each, over the labels in turn."""
    removed = _in_turn(stems, worst[::-1][~stems.keep[worst[::-1]]], (count + 1) // 2)
    return removed + _in_turn(stems, worst[stems.keep[worst]], count - len(removed))


def _typical(stems: Candidates, worst: np.ndarray, count: int) -> list[int]:
    """From the middle of each label's suspicion outwards, over the labels in turn."""
    nearest: list[tuple[float, str, int]] = []
    for label in np.unique(stems.label[worst]):
        own = worst[stems.label[worst] == label]
        apart = np.abs(np.arange(len(own)) - (len(own) - 1) / 2)
        near = np.argsort(apart, kind="stable")[
            : count + 1
        ]  # two are equally near, and their names tell which is first
        nearest += [(float(apart[k]), stems.stem_id[own[k]].as_py(), int(own[k])) for k in near.tolist()]
    return _in_turn(stems, np.array([row for *_, row in sorted(nearest)], dtype=np.int64), count)


def _in_turn(stems: Candidates, rows: np.ndarray, count: int) -> list[int]:
    """The first of each label, then the second of each, up to ``count``; of one turn in the labels' order."""
    turns: list[tuple[int, int, int]] = []
    for label in np.unique(stems.label[rows]):
        own = rows[stems.label[rows] == label][:count].tolist()
        turns += [(turn, int(label), row) for turn, row in enumerate(own)]
    return [row for _, _, row in sorted(turns)][:count]
