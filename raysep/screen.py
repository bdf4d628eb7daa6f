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


def terminal() -> Any:
    """Where tables are printed. A pipe or a job's log has no width of its own: tables get the one they need."""
    from rich.console import Console

    console = Console(**PLAIN)
    return console if console.is_terminal else Console(**PLAIN, width=150)


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
