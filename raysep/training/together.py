"""How far several groups of trainings are, told as one piece of work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from raysep.training.plan import Plan


class Together:
    """Takes what each group tells, from whichever thread, and hands on what it comes to.

    ``advance`` is told the steps of the trainings under way, done and in all, their names, how many of all have begun, and
    the steps of all of them; ``regrouped`` how many workers all groups have.
    """

    def __init__(
        self, groups: Sequence[Sequence[Plan]], advance: Callable[..., None], regrouped: Callable[[int], None]
    ) -> None:
        self.names = [[plan.name for plan in group] for group in groups]
        self.steps = {plan.name: plan.recipe.steps for group in groups for plan in group}
        self.done = {plan.name: plan.recipe.steps for group in groups for plan in group if plan.is_trained()}
        self.under_way: dict[int, str] = {}  # group → the training that it is at
        self.workers: dict[int, int] = {}  # group → its processes
        self.advance, self.regrouped = advance, regrouped
        self._telling = threading.Lock()

    def post(self, group: int, name: str, step: int) -> None:
        """A group is at a step of a training: those before it in the group are done."""
        with self._telling:
            before = self.names[group][: self.names[group].index(name)]
            self.done |= {each: self.steps[each] for each in before} | {name: step}
            self.under_way[group] = name
            running = [self.under_way[each] for each in sorted(self.under_way)]
            finished = {each for each, steps in self.done.items() if steps == self.steps[each]}
            self.advance(
                sum(self.done[each] for each in running),
                sum(self.steps[each] for each in running),
                " and ".join(running),
                unit="steps",
                part=len(finished | {*running}),
                parts=len(self.steps),
                whole=(sum(self.done.values()), sum(self.steps.values())),
            )

    def resize(self, group: int, workers: int) -> None:
        """A group has so many processes."""
        with self._telling:
            self.workers[group] = workers
            self.regrouped(sum(self.workers.values()))

    def end(self, group: int) -> None:
        """A group has done all that it had."""
        with self._telling:
            self.under_way.pop(group, None)
            self.done |= {name: self.steps[name] for name in self.names[group]}
            if self.workers.pop(group, 0) and self.workers:
                self.regrouped(sum(self.workers.values()))
