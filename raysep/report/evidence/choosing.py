"""Which stems a report lets one hear: not the ten worst, which may well be ten of one kind, but what a listener needs.

- *suspects*: the most suspect ones, then of each kind and label that is not there yet the one that is most surely of it;
- *doubtful* ones, on either side of the line between kept and removed: where a second opinion changes most;
- *kept* ones, as an ear's measure of what passes, from the middle of each label's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SUSPECT, DOUBTFUL, KEPT = "suspect", "doubtful", "kept"
ALWAYS = 3  # of the most suspect, whatever they look like


class Candidate(NamedTuple):
    """A stem that can be heard."""

    stem_id: str
    label: str
    kind: str  # what it looks like: a guessed fault, or the probe that speaks loudest; "" = nothing
    suspicion: float
    keep: bool
    sure: float = 1.0  # how surely of that kind, 0 … 1


class Chosen(NamedTuple):
    stem_id: str
    group: str  # SUSPECT, DOUBTFUL or KEPT


def choose(stems: Sequence[Candidate], suspects: int = 16, doubtful: int = 6, kept: int = 6) -> list[Chosen]:
    """At most so many of each group, no stem twice: the suspects worst first, then the others likewise.

    Where nothing is removed the suspects are the most suspect of all, and half of the stems at most, so that some kept ones
    remain. The same stems in another order give the same choice.
    """
    worst = sorted(stems, key=lambda stem: (-stem.suspicion, stem.stem_id))
    removed = [stem for stem in worst if not stem.keep]
    among = removed or worst[: max(ALWAYS, len(worst) // 2)]
    first = varied(among, min(suspects, len(among)))
    left = [stem for stem in worst if stem not in first]
    second = _beside_the_line(left, doubtful) if removed else []
    third = _typical([stem for stem in left if stem.keep and stem not in second], kept)
    groups = ((SUSPECT, first), (DOUBTFUL, second), (KEPT, third))
    return [Chosen(stem.stem_id, group) for group, found in groups for stem in worst if stem in found]


def varied(worst: Sequence[Candidate], count: int) -> list[Candidate]:
    """``count`` of them: the first ``ALWAYS``, then each time one of the kind that is there least often.

    Of these the surest, to a tenth, then of the label that is there least often, then the most suspect: a guess that errs
    is of a kind that is there already, and the most suspect stems of a weak kind are often strong ones of another.
    """
    chosen = list(worst[: min(ALWAYS, count)])
    left = list(worst[len(chosen) :])
    while left and len(chosen) < count:
        kinds, labels = Counter(stem.kind for stem in chosen), Counter(stem.label for stem in chosen)
        rarest = min(left, key=lambda stem: (kinds[stem.kind], -round(stem.sure, 1), labels[stem.label]))
        chosen.append(rarest)
        left.remove(rarest)
    return chosen


def _beside_the_line(worst: Sequence[Candidate], count: int) -> list[Candidate]:
    """The least suspect removed ones and the most suspect kept ones, half of each, over the labels in turn."""
    removed = _in_turn([stem for stem in reversed(worst) if not stem.keep], (count + 1) // 2)
    return removed + _in_turn([stem for stem in worst if stem.keep], count - len(removed))


def _typical(kept: Sequence[Candidate], count: int) -> list[Candidate]:
    """From the middle of each label's suspicion outwards, over the labels in turn."""
    nearest: list[tuple[float, Candidate]] = []
    for own in _by_label(kept).values():
        middle = (len(own) - 1) / 2
        nearest += [(abs(place - middle), stem) for place, stem in enumerate(own)]
    return _in_turn([stem for _, stem in sorted(nearest, key=lambda each: (each[0], each[1].stem_id))], count)


def _in_turn(stems: Iterable[Candidate], count: int) -> list[Candidate]:
    """The first of each label, then the second of each, up to ``count``."""
    turns = [(turn, stem) for own in _by_label(stems).values() for turn, stem in enumerate(own)]
    return [stem for _, stem in sorted(turns, key=lambda each: (each[0], each[1].label))][:count]


def _by_label(stems: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    for stem in stems:
        found.setdefault(stem.label, []).append(stem)
    return found
