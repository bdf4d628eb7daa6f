"""A picture that stands alone: how suspect the stems of each label are, and which were set aside, as an SVG file of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from raysep.report import pictures
from raysep.report.decided import KEPT, REMOVED, Decided

if TYPE_CHECKING:
    import pyarrow as pa

STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#5a606b}.name{fill:#1c1f24;font-weight:600}.paper{fill:#fbfaf7}"
    ".grid{stroke:#dfdcd4}.axis{stroke:#5a606b}.keep{fill:#2c6a9b}.drop{fill:#bf4f14}"
    "@media(prefers-color-scheme:dark){text{fill:#a2a7b1}.name{fill:#e8e5de}.paper{fill:#14161a}.grid{stroke:#31353d}"
    ".axis{stroke:#a2a7b1}.keep{fill:#6cabdd}.drop{fill:#ef8a4c}}"
)
ACROSS, WIDE, HIGH, TOP = 2, 290.0, 170.0, 44.0  # panels side by side, their size, and where they begin
REACH = 0.98  # of the stems are within the axis; the outermost bars hold the rest


def file(decision: Sequence[Mapping[str, Any]] | pa.Table) -> str:
    """The text of an SVG file: a histogram of suspicion for each label, what was set aside stacked on what was kept.

    ``decision`` has the rows of decision.parquet, or is that table; silent and failed stems have no suspicion and are left out.
    """
    decided = Decided.of(decision)
    audible = decided.audible
    bounds = _bounds(np.sort(decided.suspicion[audible]).tolist())
    labels = {label: audible & (decided.label == label) for label in dict.fromkeys(decided.label[audible].tolist())}
    width, height = ACROSS * WIDE, TOP + HIGH * -(-len(labels) // ACROSS)
    body = "".join(_panel(number, label, decided, labels[label], bounds) for number, label in enumerate(sorted(labels)))
    title = "Stems by suspicion: the further right, the more likely wrong"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        f'aria-label="{escape(title)}"><style>{STYLE}</style><rect class="paper" width="{width:g}" height="{height:g}"/>'
        f'<text x="12" y="18" class="name">{escape(title)}</text><rect class="keep" x="12" y="26" width="9" height="9"/>'
        f'<text x="26" y="34">kept</text><rect class="drop" x="66" y="26" width="9" height="9"/><text x="80" y="34">set aside</text>'
        f"{body}</svg>\n"
    )


def _panel(number: int, label: str, decided: Decided, own: np.ndarray, bounds: pictures.Bounds) -> str:
    x, y = WIDE * (number % ACROSS), TOP + HIGH * (number // ACROSS)
    kept, removed = (decided.suspicion[own & (decided.place == place)] for place in (KEPT, REMOVED))
    drawn = pictures.histogram(kept, removed, bounds, label, None)
    # An SVG inside another one: placed, and as large as it is drawn.
    placed = drawn.replace("<svg ", f'<svg x="{x + 12:g}" y="{y + 24:g}" width="256" height="132" ', 1)
    return f'<text class="name" x="{x + 12:g}" y="{y + 16:g}">{escape(label)}</text>{placed}'


def _bounds(values: Sequence[float]) -> pictures.Bounds:
    """Of sorted values, the middle ``REACH``; never empty."""
    if not values:
        return 0.0, 1.0
    last = len(values) - 1
    low, high = values[round((1 - REACH) / 2 * last)], values[round((1 + REACH) / 2 * last)]
    return (low, high) if low < high else (low - 0.5, low + 0.5)
