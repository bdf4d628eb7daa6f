"""What a terminal or a log shows: bars, lines, tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Advance = Callable[[int, int], None]
# Names are printed as they are: "Song [remix]" holds no markup, and ":bell:" no picture.
PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}

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


class Progress:
    """A bar for each long piece of work on a terminal; a line at its start and end elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console

        self.console = Console(stderr=True, quiet=quiet, **PLAIN)

    def say(self, text: str) -> None:
        self.console.print(visible(text), soft_wrap=True)  # one line stays one line, in a log as well

    @contextmanager
    def bar(self, title: str) -> Iterator[Callable[..., None]]:
        """Yields ``advance(done, total, text="")``."""
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
        if not self.console.is_terminal:
            self.say(f"{title} …")
        with Bars(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as bars:
            task = bars.add_task(title, total=None, text="")

            def advance(done: int, total: int, text: str = "") -> None:
                bars.update(task, completed=done, total=total, text=text)

            yield advance
