"""What validation has said so far, and what follows from it: the best, a lower rate, an early end."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Validation:
    """The record of ``(step, value)``, higher = better; everything else follows from it, so a resume forgets nothing.

    ``keep`` is how many best steps are remembered; ``patience`` after how many validations without a better one training
    ends, and ``plateau_patience`` after how many the rate falls by ``plateau_factor`` (0: never).
    """

    keep: int = 1
    patience: int = 0
    plateau_patience: int = 0
    plateau_factor: float = 0.3
    history: list[tuple[int, float]] = field(default_factory=list)

    def note(self, step: int, value: float) -> None:
        self.history.append((step, value))

    @property
    def best(self) -> list[tuple[float, int]]:
        """(value, step) of the best, best first; of equal ones the earlier."""
        order = sorted(self.history, key=lambda entry: (-entry[1], entry[0]))
        return [(value, step) for step, value in order[: self.keep]]

    @property
    def stale(self) -> int:
        """How many validations there have been since the best."""
        if not self.history:
            return 0
        steps = [step for step, _ in self.history]
        best = min(self.history, key=lambda entry: (-entry[1], entry[0]))[0]
        return len(steps) - 1 - steps.index(best)

    @property
    def finished(self) -> bool:
        return bool(self.patience) and self.stale >= self.patience

    @property
    def factor(self) -> float:
        """Of the learning rate: every ``plateau_patience`` validations in a row without a better one lower it."""
        if not self.plateau_patience:
            return 1.0
        drops, best, waiting = 0, -float("inf"), 0
        for _, value in self.history:
            best, waiting = (value, 0) if value > best else (best, waiting + 1)
            if waiting == self.plateau_patience:
                drops, waiting = drops + 1, 0
        return self.plateau_factor**drops
