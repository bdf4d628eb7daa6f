"""Small HTML builders. Whatever came from outside goes through ``text``; only markup made here is left as it is."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

from raysep.report.numbers import anything, decimal, known


def text(value: Any) -> str:
    """Any value as escaped text, safe in element content and in quoted attributes."""
    return escape(anything(value), quote=True)


class Column(NamedTuple):
    """A table's column: its heading (plain text) and the CSS class of its cells (``number``, ``figure``, …)."""

    heading: str
    kind: str = ""


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[str]], marks: Sequence[str] = ()) -> str:
    """A captioned table in a region that scrolls sideways by itself. Cells are markup; the first names its row.

    ``marks`` holds one CSS class for each row; it may be shorter.
    """
    head = "".join(f'<th scope="col"{_kind(column.kind)}>{text(column.heading)}</th>' for column in columns)
    body = ""
    for index, row in enumerate(rows):
        cells = [f'<th scope="row"{_kind(columns[0].kind)}>{row[0]}</th>']
        cells += [f"<td{_kind(c.kind)}>{cell}</td>" for c, cell in zip(columns[1:], row[1:], strict=True)]
        body += f"<tr{_kind(marks[index] if index < len(marks) else '')}>{''.join(cells)}</tr>"
    # A visible caption would be as wide as the table and scroll away on a phone; the paragraph stays in view.
    return (
        f'<p class="caption" aria-hidden="true">{text(caption)}</p>'
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text(caption)}"><table>'
        f"<caption>{text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _kind(name: str) -> str:
    return f' class="{name}"' if name else ""


def section(name: str, heading: str, body: str, lead: str = "") -> str:
    lead = f'<p class="lead">{lead}</p>' if lead else ""
    heading = f'<h2 id="{name}-h">{text(heading)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-h">{heading}{lead}{body}</section>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A description list; the names are plain text, the values markup."""
    items = "".join(f"<div><dt>{text(name)}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{items}</dl>' if items else ""


def details(summary: str, body: str) -> str:
    return f"<details><summary>{text(summary)}</summary>{body}</details>"


def note(body: str, kind: str = "") -> str:
    return f'<p class="note {kind}" role="note">{body}</p>'


def stem_name(row: dict[str, Any]) -> str:
    """``track / label``, with the track free to break anywhere: names can be long."""
    stem_id, label = anything(row.get("stem_id")), row.get("stem")
    track = row.get("track") or (stem_id.removesuffix(f"/{label}") if label else stem_id)
    chip = f' <span class="chip">{text(label)}</span>' if label else ""
    return f'<span class="stem"><span class="track">{text(track)}</span>{chip}</span>'


def quoting(words: object) -> str:
    """Text in which `commands` stand as such."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(words))


def player(source: str, name: str) -> str:
    """An audio element for a sound inside the page or below the server's ``audio/``; empty for any other address."""
    if not playable(source):
        return ""
    return f'<audio controls preload="none" aria-label="Listen to {text(name)}" src="{text(source)}"></audio>'


def playable(source: str) -> bool:
    """Whether this is the address of a sound inside the page, or of one that `raysep listen` serves."""
    return bool(re.fullmatch(r"data:audio/[A-Za-z0-9.+-]+;base64,[A-Za-z0-9+/=]+|audio/[0-9]+/[a-z]+", source))


def keys_of(rows: Any, without: Collection[str] = frozenset()) -> list[str]:
    """The rows' keys in order of first appearance."""
    return [key for key in dict.fromkeys(key for row in rows for key in row) if key not in without]


def heading(key: str) -> str:
    """A key of the data as a heading: ``average_precision`` becomes ``Average precision``, ``auroc`` ``AUROC``."""
    words = [word.upper() if word in _ACRONYMS else word for word in str(key).split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


_ACRONYMS = {"auroc", "cpu", "fdp", "fdr", "gpu", "sdr"}


def figure(value: Any) -> str:
    """A cell of a column that the report does not know: fractions to three decimals, small or whole numbers exactly."""
    if known(value) and not float(value).is_integer() and abs(value) >= 0.1:
        return decimal(value, 3)
    return text(value)
