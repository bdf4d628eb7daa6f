"""Several trainings at the same time: groups of workers side by side, each with plans of its own.

Two trainings on two processors, a process each, exchange no gradients: together they are faster than one after the other,
both times on both processors. What is trained is the same, bit for bit: see ``raysep.training.groups``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from queue import SimpleQueue

from raysep import events
from raysep.cluster import fit, states
from raysep.cluster.fit import Group
from raysep.corpus.hashing import fingerprint
from raysep.resources import Resources
from raysep.training import budget, groups
from raysep.training.plan import Plan
from raysep.training.together import Together

# Seconds that groups are given to end when one has failed, or the command is to. More than ``stopping`` gives that: a
# runtime that is shut down beneath a thread is started anew by it, so that never happens while one is there.
ENDING = 30.0

Dealt = tuple[list[Plan], Group]


def train(
    plans: list[Plan],
    group: Group,
    asked: int,
    available: Resources,
    advance: Callable[..., None],
    say: Callable[[str], None],
) -> None:
    """Train every plan that is not trained, in as many groups as pay and fit, at most ``asked`` unless that is 0.

    ``group`` is what one alone would be. ``advance`` is told of all groups together what ``screen.Work`` takes, ``say`` what is
    waited for and what else is to be known. Raises as ``fit.fit`` does: when a group fails, the others are ended.
    """
    count = how_many(plans, group, asked)
    if count < min(asked, len(plans)):
        say(f"{count} at a time, not {asked}: the audio of more does not fit into training.memory_gib")
    everyone = deal(plans, group, count)
    together = Together([own for own, _ in everyone], advance, events.regrouped)
    unreadable = [each.name for _, each in everyone if states.forget_unreadable(each)]
    if unreadable:
        say(f"the states in {group.storage_path} could not be read: it begins again")
    left = [number for number, (own, _) in enumerate(everyone) if not all(plan.is_trained() for plan in own)]
    if count == 1:
        fit.fit(plans, group, available, lambda name, step, steps: together.post(0, name, step), say)
    else:
        _abreast({number: everyone[number] for number in left}, available, together, say)


def how_many(plans: list[Plan], group: Group, asked: int) -> int:
    """Groups that the plans are dealt to. The same whichever of them are trained: a command that goes on finds the states."""
    limit = 1 if group.least_workers else groups.most(group.workers, max(plan.recipe.accumulate for plan in plans))
    if min(len(plans), limit, asked or limit) == 1:
        return 1
    needs = [budget.pooled_gib(plan, group.workers, group.memory_gib) for plan in plans]
    steps, room = [plan.recipe.steps for plan in plans], group.workers * group.memory_gib
    return groups.how_many(asked, steps, needs, room, limit)


def deal(plans: list[Plan], group: Group, count: int) -> list[Dealt]:
    """The plans of each group. Its name carries theirs, since Ray goes on with what it has of that name."""
    if count == 1:
        return [(plans, group)]
    dealt = [[plans[k] for k in numbers] for numbers in groups.dealt([plan.recipe.steps for plan in plans], count)]
    shape = replace(group, processes=group.workers // count, abreast=count)
    return [(own, replace(shape, name=f"{group.name}-{fingerprint(*(p.fingerprint for p in own))}")) for own in dealt]


def _abreast(dealt: dict[int, Dealt], available: Resources, together: Together, say: Callable[[str], None]) -> None:
    """Every group in a thread; what the first of them raises that fails, when the others have been ended."""
    over, ended, say_once = threading.Event(), SimpleQueue[BaseException | None](), Once(say)

    def run(number: int) -> None:
        own, group = dealt[number]
        try:
            fit.fit(
                own,
                group,
                available,
                lambda name, step, steps: together.post(number, name, step),
                say_once,
                on_resize=lambda workers: together.resize(number, workers),
                is_over=over.is_set,
            )
            together.end(number)
            ended.put(None)
        except BaseException as error:
            ended.put(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True, name=f"group-{number}") for number in dealt]
    try:
        for thread in threads:
            thread.start()
        for _ in threads:
            if error := ended.get():
                raise error
    finally:
        over.set()
        until = time.monotonic() + ENDING
        for thread in threads:
            if thread.ident:  # the interrupt may have come before the last was started
                thread.join(max(0.0, until - time.monotonic()))


class Once:
    """Says nothing twice running: two groups may wait for the same thing."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say, self.told = say, ""
        self._saying = threading.Lock()

    def __call__(self, text: str) -> None:
        with self._saying:
            if text != self.told:
                self.told = text
                self.say(text)
