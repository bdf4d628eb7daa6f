"""What a terminal or a log shows: bars, lines, tables."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from raysep import events, pace

Advance = Callable[[int, int], None]
# Names are printed as they are: "Song [remix]" holds no markup, and ":bell:" no picture.
PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
LOGGED = 60.0  # seconds between two lines of a log

# But for what a terminal would obey: a name may hold the bytes that clear a screen.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def visible(text: str) -> str:
    """The text with control characters, but for ends of lines and tabs, written out: ``\\x1b``."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


WIDTH = 80  # of a pipe or a log, which has none of its own
FRAME, PADDING = 1, 3  # columns that a table's frame takes, and each of its columns beside the text


def terminal() -> Any:
    """Where results are printed. Without a terminal a sentence stays one line, and tables fit ``WIDTH``."""
    from rich.console import Console

    console = Console(**PLAIN)
    return console if console.is_terminal else Console(**PLAIN, width=WIDTH, soft_wrap=True)


def print_table(console: Any, table: Any) -> None:
    """A table with every digit of it: one that is too wide goes on below, with its first columns again."""
    if table.title:
        console.print(table.title)
    for part in fitting(table, console.width):
        console.print(part)


def fitting(table: Any, width: int) -> list[Any]:
    """The table as several of at most ``width``, without its title. The columns of names that it begins with are in each.

    Numbers are never broken; a name goes on in the next line where there is no room.
    """
    from rich.cells import cell_len

    columns = table.columns
    natural = [max(cell_len(str(text)) for text in (c.header, *c.cells)) + PADDING for c in columns]
    keys = next((k for k, column in enumerate(columns) if column.justify == "right"), 1)
    widest = max(natural[keys:], default=0)
    room = max(min(width - FRAME - widest, width // 2), (8 + PADDING) * keys)  # for names
    taken = FRAME + min(sum(natural[:keys]), room)
    parts: list[list[int]] = []
    for k in range(keys, len(columns)):
        if not parts or taken + sum(natural[i] for i in parts[-1]) + natural[k] > width:
            parts.append([])
        parts[-1].append(k)
    whole = {k for k in range(keys, len(columns)) if taken + natural[k] <= width}
    return [_part(table, [*range(keys), *part], whole) for part in parts or [[]]]


def _part(table: Any, chosen: list[int], whole: set[int]) -> Any:
    """These columns of a table; those of ``whole`` are never broken."""
    from rich.table import Table

    part = Table()
    for k in chosen:
        column = table.columns[k]
        part.add_column(column.header, justify=column.justify, overflow="fold", no_wrap=k in whole)
    cells = [list(table.columns[k].cells) for k in chosen]
    for number, row in enumerate(table.rows):
        part.add_row(*(column[number] for column in cells), end_section=row.end_section)
    return part


class Work:
    """A long piece of work as it is told: how far it is, how fast it goes, how long it will take."""

    def __init__(self, title: str, unit: str = "") -> None:
        self.title, self.unit, self.begun = title, unit, time.monotonic()
        self._pace = pace.Pace()
        self._facts: dict[str, Any] = {}
        self._whole = (0, 0)

    def advance(self, done: int, total: int, text: str = "", **more: Any) -> None:
        """``more``: a ``unit`` of its own, ``part`` of ``parts``, ``workers``, and ``whole``, what all parts together come to: (done, total)."""
        self._whole = more.pop("whole", (done, total))
        self._facts = {"stage": self.title, "unit": self.unit, "done": done, "total": total, "text": text, **more}
        self._pace.note(self._whole[0], time.monotonic())
        events.tell(events.PROGRESS, **self.facts())

    def facts(self) -> dict[str, Any]:
        now = time.monotonic()
        rate, left = self._pace.rate(now), self._pace.left(self._whole[1], now)
        told = {"rate": rate and round(rate, 6), "left": left if left is None else round(left, 1)}
        return {name: value for name, value in {**self._facts, **told}.items() if value not in (None, "")}

    def last(self) -> str:
        """What stays of it when it is done."""
        done, unit = self._whole[1], self._facts.get("unit", self.unit)
        many = f"{done} {unit}".strip() if done else "done"
        return f"{self.title:<12} {many} in {pace.span(time.monotonic() - self.begun)}"


class Progress:
    """A bar for each long piece of work on a terminal, and a line that stays; elsewhere a line at its start and each minute."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console

        self.console = Console(stderr=True, quiet=quiet, **PLAIN)

    def say(self, text: str) -> None:
        self.console.print(visible(text), soft_wrap=True)  # one line stays one line, in a log as well

    @contextmanager
    def bar(self, title: str, unit: str = "") -> Iterator[Callable[..., None]]:
        """Yields ``advance(done, total, text="")``, which takes what ``Work.advance`` does. ``unit``: what is counted."""
        work = Work(title, unit)
        if not self.console.is_terminal:
            self.say(f"{title} …")
            with self._logged(work):
                yield work.advance
            return
        with self._drawn(work) as advance:
            yield advance
        self.say(work.last())

    @contextmanager
    def _drawn(self, work: Work) -> Iterator[Callable[..., None]]:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description:<12}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", markup=False),
        )
        with Bars(*columns, console=self.console, transient=True) as bars:
            task = bars.add_task(work.title, total=None, text="")

            def advance(done: int, total: int, text: str = "", **more: Any) -> None:
                work.advance(done, total, text, **more)
                part = f"{more['part']} of {more['parts']}" if more.get("parts") else ""
                bars.update(task, completed=done, total=total, text=" ".join(filter(None, (part, text))))

            yield advance

    @contextmanager
    def _logged(self, work: Work) -> Iterator[None]:
        """Within, a line each minute, whether anything has moved or not."""
        ended = threading.Event()

        def often() -> None:
            while not ended.wait(LOGGED):
                if facts := work.facts():
                    self.say(pace.line(facts))

        threading.Thread(target=often, daemon=True, name="log").start()
        try:
            yield
        finally:
            ended.set()
