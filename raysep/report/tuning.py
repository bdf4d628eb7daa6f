"""What the search by retraining found, as a picture: SDR against how much was left out, the choice and the automatic marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from raysep.report.data import ReportData, Row
from raysep.report.markup import Column, note, section, table, text
from raysep.report.numbers import count, decimal, duration, known, percent
from raysep.report.pictures import Bounds, bounds_of, svg

# Classes of the page's own style sheet, for the file that stands alone.
STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#5a606b}.value{fill:#1c1f24;font-weight:600;paint-order:stroke;stroke:#fbfaf7;stroke-width:3px}.paper{fill:#fbfaf7}"
    "line{stroke:#dfdcd4}line.axis{stroke:#5a606b}line.whisker{stroke-width:2}.grid{stroke-dasharray:2 4}"
    "circle.keep{fill:#2c6a9b}circle.drop{fill:#bf4f14}circle.plain{fill:#767c86}"
    "line.keep{stroke:#2c6a9b}line.drop{stroke:#bf4f14}line.plain{stroke:#767c86}circle.ring{fill:none;stroke:#1c1f24}"
    "@media(prefers-color-scheme:dark){text{fill:#a2a7b1}.value{fill:#e8e5de;stroke:#14161a}.paper{fill:#14161a}line{stroke:#31353d}"
    "circle.keep{fill:#6cabdd}circle.drop{fill:#ef8a4c}circle.plain{fill:#8e949e}"
    "line.keep{stroke:#6cabdd}line.drop{stroke:#ef8a4c}line.plain{stroke:#8e949e}circle.ring{stroke:#e8e5de}}"
)
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560.0, 320.0, 52.0, 540.0, 44.0, 272.0
NAMED = ("automatic", "nothing removed", "random removal")
GAP, BROAD, LETTER = 13.0, 110.0, 6.5  # baselines of two names; a name; a letter of it


def picture(rows: Sequence[Row]) -> str:
    """The full trainings for the page: an inline SVG."""
    return svg(WIDTH, HEIGHT, _label(rows), _body(rows), "tuning")


def file(rows: Sequence[Row]) -> str:
    """The same as the text of an SVG file of its own."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{escape(_label(rows))}"><style>{STYLE}</style>'
        f'<rect class="paper" width="{WIDTH:g}" height="{HEIGHT:g}"/>{_body(rows)}</svg>\n'
    )


def tuning(data: ReportData) -> str:
    """The page's section; empty where nothing was searched."""
    found = data.tuning
    if not found:
        return ""
    if warning := found.get("stale"):
        return section("search", "What would a search choose?", note(text(warning), "warning"))
    rows = [row for row in found["rows"] if row["fidelity"] == "full"]
    columns = [Column("Trial"), Column("Left out", "number"), Column("SDR, dB", "number")]
    columns += [Column("Standard error", "number"), Column("Below the best", "number"), Column("Steps", "number")]
    columns += [Column("Time", "number")]
    cells = [
        [
            f"<span>{text(row['trial'])}</span>" + (' <span class="chip">chosen</span>' if row["chosen"] else ""),
            percent(row["left_out"], 0),
            decimal(row["sdr"]),
            decimal(row["standard_error"]),
            f"{decimal(row['below_best'])} ± {decimal(row['below_best_error'])}",
            count(row["steps"]),
            duration(row["seconds"]),
        ]
        for row in sorted(rows, key=lambda row: -row["sdr"])
    ]
    body = f"<figure>{picture(rows)}</figure>"
    body += "".join(f"<p>{text(line[:1].upper() + line[1:])}.</p>" for line in found.get("found", []))
    body += table("Trained in full; mean SDR over held-out reference tracks and stems", columns, cells)
    lead = "By retraining, on reference tracks. The simplest within one standard error of the best is chosen."
    return section("search", "What would a search choose?", body, lead)


def _label(rows: Sequence[Row]) -> str:
    said = [f"{row['trial']}{' (chosen)' if row['chosen'] else ''} {decimal(row['sdr'])} dB" for row in rows]
    return "SDR against the share of stems left out: " + "; ".join(said)


def _body(rows: Sequence[Row]) -> str:
    shown = [row for row in rows if known(row["sdr"]) and known(row["left_out"])]
    vertical = bounds_of(edge for row in shown for edge in _ends(row))
    most = math.ceil(10 * max([0.1, *(row["left_out"] for row in shown)]) + 0.2) / 10
    body, names = _axes(vertical, most), ""
    places: list[tuple[float, float]] = []
    for row in sorted(shown, key=lambda row: (row["left_out"], -row["sdr"])):
        x = LEFT + (RIGHT - LEFT) * row["left_out"] / most
        body += _mark(row, x, vertical)
        if row["chosen"] or row["trial"] in NAMED:
            places.append(_free(x, _height(_ends(row)[1], vertical) - 5, places))
            names += _name(row, *places[-1])
    return body + names  # which no whisker crosses


def _axes(vertical: Bounds, most: float) -> str:
    body = ""
    for k in range(5):
        value = vertical[0] + (vertical[1] - vertical[0]) * k / 4
        y = _height(value, vertical)
        body += f'<line class="grid" x1="{LEFT:g}" x2="{RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        body += f'<text class="tick" x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{decimal(value)}</text>'
    for tenth in range(round(10 * most) + 1):
        x = LEFT + (RIGHT - LEFT) * tenth / (10 * most)
        body += (
            f'<text class="tick" x="{x:.1f}" y="{BOTTOM + 18:g}" text-anchor="middle">{percent(tenth / 10, 0)}</text>'
        )
    body += f'<line class="axis" x1="{LEFT:g}" x2="{RIGHT:g}" y1="{BOTTOM:g}" y2="{BOTTOM:g}"/>'
    body += (
        f'<text class="tick" x="{LEFT:g}" y="14">SDR in dB on held-out reference tracks, ± one standard error</text>'
    )
    return (
        body
        + f'<text class="tick" x="{RIGHT:g}" y="{BOTTOM + 36:g}" text-anchor="end">share of the stems left out</text>'
    )


def _mark(row: Row, x: float, vertical: Bounds) -> str:
    kind = "drop" if row["automatic"] else "plain" if row["trial"] in NAMED else "keep"
    y, ends = _height(row["sdr"], vertical), [_height(end, vertical) for end in _ends(row)]
    title = f"<title>{escape(row['trial'])}: {decimal(row['sdr'])} dB, {percent(row['left_out'], 0)} left out</title>"
    body = f'<line class="whisker {kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{ends[0]:.1f}" y2="{ends[-1]:.1f}"/>'
    body += f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5">{title}</circle>'
    return body + (f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="8"/>' if row["chosen"] else "")


def _name(row: Row, x: float, y: float) -> str:
    words = row["trial"] if row["trial"] in NAMED else ""
    words = ", ".join(filter(None, (words, "chosen" if row["chosen"] else "")))
    half = LETTER * len(words) / 2
    x = min(max(x, LEFT + half), WIDTH - half)
    return f'<text class="value" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(words)}</text>'


def _free(x: float, y: float, taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The place nearest above ``(x, y)`` at which no other name stands."""
    while any(abs(x - across) < BROAD and abs(y - height) < GAP for across, height in taken):
        y -= GAP
    return x, y


def _ends(row: Row) -> list[float]:
    error = row["standard_error"] if known(row["standard_error"]) else 0.0
    return [row["sdr"] - error, row["sdr"] + error]


def _height(value: Any, vertical: Bounds) -> float:
    return BOTTOM - (BOTTOM - TOP) * (float(value) - vertical[0]) / (vertical[1] - vertical[0])
