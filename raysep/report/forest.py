"""A picture that stands alone: estimates with their intervals below one another, as an SVG file of its own.

Colours follow the reader's light or dark mode; nothing is said by colour alone: a second series has hollow dots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from raysep.report.numbers import decimal, known
from raysep.report.pictures import bounds_of

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1c1f24}.soft{fill:#5a606b}line{stroke:#dfdcd4}"
    ".mark{stroke:#2c6a9b;stroke-width:2}circle{fill:#2c6a9b;stroke:#2c6a9b;stroke-width:2}"
    ".second.mark{stroke:#bf4f14}circle.second{fill:#fbfaf7;stroke:#bf4f14}.paper{fill:#fbfaf7}.reference{stroke:#5a606b}"
    "@media(prefers-color-scheme:dark){text{fill:#e8e5de}.soft{fill:#a2a7b1}line{stroke:#31353d}.mark{stroke:#6cabdd}"
    "circle{fill:#6cabdd;stroke:#6cabdd}.second.mark{stroke:#ef8a4c}circle.second{fill:#14161a;stroke:#ef8a4c}"
    ".paper{fill:#14161a}.reference{stroke:#a2a7b1}}"
)
LEFT, RIGHT, WIDTH, ROW, TOP = 250.0, 600.0, 720.0, 26.0, 58.0


@dataclass(frozen=True)
class Dot:
    """One estimate and, where they are known, the bounds of its interval."""

    value: float
    low: float | None = None
    high: float | None = None


def forest(
    title: str,
    rows: Sequence[tuple[str, Sequence[Dot]]],
    reference: float | None = None,
    series: Sequence[str] = (),
    digits: int = 2,
) -> str:
    """The text of an SVG file: a line for each row, named at its left, its first estimate written at its right.

    ``series`` names the dots of a row, at most two of them; ``reference`` is where a line stands.
    """
    numbers = [number for _, dots in rows for dot in dots for number in (dot.value, dot.low, dot.high)]
    bounds = bounds_of([*numbers, reference])

    def at(x: float) -> float:
        return LEFT + (RIGHT - LEFT) * (x - bounds[0]) / (bounds[1] - bounds[0])

    bottom = TOP + ROW * len(rows)
    parts = [f'<rect class="paper" width="{WIDTH:g}" height="{bottom + 30:g}"/>']
    parts.append(f'<text x="12" y="22" font-weight="600">{escape(title)}</text>')
    for number, name in enumerate(series[:2]):
        x = LEFT + 150 * number
        parts.append(f'<circle{_second(number)} cx="{x:g}" cy="40" r="4"/>')
        parts.append(f'<text class="soft" x="{x + 10:g}" y="44">{escape(name)}</text>')
    for end, anchor in ((bounds[0], "start"), (bounds[1], "end")):
        parts.append(
            f'<text class="soft" x="{at(end):.1f}" y="{bottom + 18:g}" text-anchor="{anchor}">{decimal(end, digits)}</text>'
        )
    if known(reference):
        x = at(float(reference))
        parts.append(f'<line class="reference" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8:g}" y2="{bottom:g}"/>')
    for number, (name, dots) in enumerate(rows):
        parts.append(_row(name, dots, TOP + ROW * (number + 0.5), at, digits))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {bottom + 30:g}" role="img" '
        f'aria-label="{escape(title)}"><style>{STYLE}</style>{"".join(parts)}</svg>\n'
    )


def _row(name: str, dots: Sequence[Dot], y: float, at: Callable[[float], float], digits: int) -> str:
    text = f'<line x1="{LEFT:g}" x2="{RIGHT:g}" y1="{y:g}" y2="{y:g}"/>'
    text += f'<text x="{LEFT - 12:g}" y="{y + 4:g}" text-anchor="end">{escape(name)}</text>'
    shown = [dot for dot in dots[:2] if known(dot.value)]
    for number, dot in enumerate(dots[:2]):
        line = y + 6 * (number - 0.5) * (len(shown) > 1)  # two series would hide one another
        if known(dot.low) and known(dot.high):
            kind = " second" if number else ""
            text += (
                f'<line class="mark{kind}" x1="{at(dot.low):.1f}" x2="{at(dot.high):.1f}" y1="{line:g}" y2="{line:g}"/>'
            )
        if known(dot.value):
            text += f'<circle{_second(number)} cx="{at(dot.value):.1f}" cy="{line:g}" r="4"/>'
    values = " / ".join(decimal(dot.value, digits) for dot in dots[:2])
    return text + f'<text x="{RIGHT + 12:g}" y="{y + 4:g}">{values}</text>'


def _second(number: int) -> str:
    return ' class="second"' if number else ""
