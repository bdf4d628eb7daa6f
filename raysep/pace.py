"""How far a piece of work is, how fast it goes and when it will be done: sums, and the words for them."""

from __future__ import annotations

from collections import deque
from typing import Any

WINDOW = 300.0  # seconds that a rate is taken over, where there are counts enough
LEAST = 4  # counts that it is taken over, however long ago
UNITS = (("s", 1.0), ("min", 60.0), ("h", 3600.0))


class Pace:
    """The rate of a count. What was done before the first ``note`` was not done at this rate, and does not count."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, float]] = deque()  # time in seconds, count

    def note(self, done: float, now: float) -> None:
        if self._noted and done < self._noted[-1][1]:  # it has begun anew
            self._noted.clear()
        if not self._noted or done > self._noted[-1][1]:
            self._noted.append((now, done))
        while len(self._noted) > LEAST and now - self._noted[1][0] > WINDOW:
            self._noted.popleft()

    def rate(self, now: float) -> float | None:
        """Per second; None before anything was done. Of work that stands still it falls with the time."""
        if len(self._noted) < 2:
            return None
        (began, first), (last, done) = self._noted[0], self._noted[-1]
        # Between two counts it is not slower than it was: only a pause longer than usual is one.
        usual = (last - began) / (len(self._noted) - 1)
        ended = last if now - last <= 2 * usual else now
        return (done - first) / (ended - began) if ended > began else None

    def left(self, total: float, now: float) -> float | None:
        """Seconds until ``total``; None where nobody knows."""
        rate = self.rate(now)
        return max(0.0, (total - self._noted[-1][1]) / rate) if rate else None


def span(seconds: float) -> str:
    """A length of time as one says it: 40 s, 4 min, 2 h 10 min, 3 d 4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def rate_words(rate: float, unit: str) -> str:
    """By the second, the minute or the hour, whichever first gives a whole one."""
    for name, seconds in UNITS:
        if rate * seconds >= 1 or name == "h":
            return (
                f"{rate * seconds:.2g} {unit}/{name}" if rate * seconds < 10 else f"{rate * seconds:.0f} {unit}/{name}"
            )
    raise AssertionError("an hour is the last")


def line(facts: dict[str, Any]) -> str:
    """What is said of a stage under way: "retrain, training 3 of 8 (random-seed0), step 240/600, 2.1 steps/s, 4 min left, 3 workers"."""
    return ", ".join([facts["stage"], *so_far(facts)])


def so_far(facts: dict[str, Any]) -> list[str]:
    """The same without the stage, piece by piece; what is not known is left out."""
    unit, named, said = facts.get("unit", ""), f" ({facts['text']})" if facts.get("text") else "", []
    if facts.get("parts"):
        said += [f"training {facts['part']} of {facts['parts']}{named}", f"step {facts['done']}/{facts['total']}"]
    elif facts.get("total"):
        said.append(f"{facts['done']} of {facts['total']}{f' {unit}' if unit else ''}{named}")
    if facts.get("rate"):
        said.append(rate_words(facts["rate"], unit or "done"))
    if facts.get("left") is not None:
        said.append(f"{span(facts['left'])} left")
    if workers := facts.get("workers"):
        said.append(f"{workers} worker{'s' if workers > 1 else ''}")
    return said
