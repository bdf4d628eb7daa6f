"""How a notebook shows a result: a table of what it holds, and pictures, which follow the reader's light or dark mode."""

from __future__ import annotations

import base64
import inspect
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raysep.face.results import Place


@dataclass(frozen=True, repr=False)
class Picture:
    """A picture of a result: a notebook shows it, ``save`` writes it as an SVG file, ``svg`` is its text."""

    svg: str
    about: str  # what is to be seen, in words

    def save(self, place: Place) -> None:
        """Write it to a path or to ``s3://…``."""
        from raysep.corpus import storage

        storage.write_bytes(storage.absolute(os.fspath(place)), self.svg.encode())

    def __repr__(self) -> str:
        return f"Picture({self.about})"

    def _repr_html_(self) -> str:
        """As an image of its own: the style of one picture would else be that of all others on the notebook's page."""
        data = base64.b64encode(self.svg.encode()).decode()
        return f'<img alt="{escape(self.about)}" src="data:image/svg+xml;base64,{data}" style="max-width:100%">'


def holdings(result: Any) -> Iterator[tuple[str, str]]:
    """(name, meaning) of what a result offers to be read: its properties, its own before those it has from others."""
    seen: set[str] = {"run"}
    for kind in type(result).__mro__:
        for name, value in vars(kind).items():
            if isinstance(value, property) and not name.startswith("_") and name not in seen:
                seen.add(name)
                yield name, (inspect.getdoc(value) or "").partition("\n\n")[0]


def card(title: str, sentences: Sequence[str], rows: Iterator[tuple[str, str]]) -> str:
    """What a notebook shows of a result: where it is, what it says, and what it holds."""
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    cells = "".join(
        f'<tr><td style="text-align:left"><code>.{escape(name)}</code></td>'
        f'<td style="text-align:left">{escape(about).replace("``", "")}</td></tr>'
        for name, about in rows
    )
    return f"<p><b>{escape(title)}</b></p>{said}<table>{cells}</table>"
