"""Trainings dealt to groups that run side by side: how many groups, and which training is whose. Sums, apart from Ray."""

from __future__ import annotations

from collections.abc import Sequence

# Of the longest group to an equal share. A training in fewer processes takes longer than in all of them, at most as many
# times as there are groups, where exchanging gradients costs nothing: what one group is longer than the others may be lost.
EVEN = 1.1
LEAST = 200  # steps that a group has: to start one more costs as much as that many of a small network's save


def most(workers: int, accumulate: int) -> int:
    """Groups that a training's processes may be shared out to without a bit of the result changing.

    A process adds up the gradients of all its pieces, one after another; processes exchange sums. Of two parts of one piece
    each that is the same sum, which has no order. With more of either it is rounded otherwise.
    """
    return workers if workers <= 2 and accumulate == 1 else 1


def how_many(asked: int, steps: Sequence[int], needs: Sequence[float], room: float, limit: int) -> int:
    """Groups for trainings of so many ``steps``, at most ``limit``, and at most ``asked`` unless that is 0.

    ``needs`` is what each training holds in memory, of which there is ``room`` for that of all groups together. Unless asked
    for, they are only so many that each has ``LEAST`` steps, and the longest about an equal share of them: see ``EVEN``.
    """
    for count in range(min(len(steps), limit, asked or limit), 1, -1):
        sums = [sum(steps[number] for number in group) for group in dealt(steps, count)]
        pays = min(sums) >= LEAST and count * max(sums) <= EVEN * sum(sums)
        if sum(sorted(needs)[-count:]) <= room and (asked or pays):
            return count
    return 1


def dealt(steps: Sequence[int], count: int) -> list[list[int]]:
    """The numbers of each group's trainings, in order: the longest first, each to the group that has least to do."""
    groups: list[list[int]] = [[] for _ in range(count)]
    taken = [0] * count
    for number in sorted(range(len(steps)), key=lambda each: (-steps[each], each)):
        group = taken.index(min(taken))
        groups[group].append(number)
        taken[group] += steps[number]
    return [sorted(group) for group in groups]
