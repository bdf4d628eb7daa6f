"""The report's pictures: pure functions from numbers to inline SVG text.

Colours come from the page's style sheet through class names, so that one picture serves light, dark and print. Each
picture carries its message in ``aria-label`` as well; nothing is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from raysep.report.numbers import NARROW, decimal, known, percent

Bounds = tuple[float, float]
Points = Iterable[Sequence[float]]


def svg(width: float, height: float, label: str, body: str, kind: str, stretch: bool = False) -> str:
    aspect = ' preserveAspectRatio="none"' if stretch else ""
    return (
        f'<svg class="picture {kind}" viewBox="0 0 {width:g} {height:g}" role="img"'
        f' aria-label="{escape(label)}"{aspect}>{body}</svg>'
    )


def bounds_of(values: Iterable[float | None], margin: float = 0.08) -> Bounds:
    """The range of the known values with a margin on both sides; never empty."""
    finite = [float(value) for value in values if known(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    room = (high - low) * margin or max(abs(high) * margin, 0.5)
    return low - room, high + room


def interval(
    value: float | None,
    low: float | None,
    high: float | None,
    bounds: Bounds,
    label: str,
    reference: float | None = None,
    kind: str = "keep",
) -> str:
    """One estimate as a dot with its interval on the common scale ``bounds``, and a reference line."""
    width, height, edge = 220.0, 22.0, 7.0

    def at(x: float) -> float:
        share = (float(x) - bounds[0]) / ((bounds[1] - bounds[0]) or 1.0)
        return edge + (width - 2 * edge) * min(max(share, 0.0), 1.0)

    body = f'<line class="rule" x1="{edge:g}" x2="{width - edge:g}" y1="11" y2="11"/>'
    if known(reference):
        body += f'<line class="reference" x1="{at(reference):.1f}" x2="{at(reference):.1f}" y1="1" y2="21"/>'
    if known(low) and known(high):
        body += f'<line class="whisker {kind}" x1="{at(low):.1f}" x2="{at(high):.1f}" y1="11" y2="11"/>'
        for end in (low, high):
            body += f'<line class="whisker {kind}" x1="{at(end):.1f}" x2="{at(end):.1f}" y1="7" y2="15"/>'
    if known(value):
        body += f'<circle class="dot {kind}" cx="{at(value):.1f}" cy="11" r="4.5"/>'
    return svg(width, height, label, body, "interval")


def share(estimate: float | None, low: float | None, high: float | None, marks: Mapping[str, float | None]) -> str:
    """The estimated share on a line from 0 to 100 %, its interval as a band, other readings as named ticks."""
    width, left, right, line = 400.0, 10.0, 390.0, 40.0

    def at(x: float) -> float:
        return left + (right - left) * min(max(float(x), 0.0), 1.0)

    body = f'<rect class="track" x="{left:g}" y="{line - 6:g}" width="{right - left:g}" height="12" rx="6"/>'
    if known(low) and known(high):
        body += (
            f'<rect class="band" x="{at(low):.1f}" y="{line - 6:g}" width="{max(at(high) - at(low), 2):.1f}"'
            ' height="12" rx="3"/>'
        )
    for tenth in range(0, 11, 2):
        anchor = "start" if tenth == 0 else "end" if tenth == 10 else "middle"
        x = left if tenth == 0 else right if tenth == 10 else at(tenth / 10)
        body += f'<text class="tick" x="{x:.1f}" y="{line + 27:g}" text-anchor="{anchor}">{tenth * 10}{NARROW}%</text>'
    shown = [(name, value) for name, value in marks.items() if known(value)]
    for name, value in shown:
        title = f"<title>{escape(name)}: {percent(value)}</title>"
        body += f'<path class="mark" d="M{at(value):.1f} {line + 8:g}l-4 6h8z">{title}</path>'
    if known(estimate):
        x = at(estimate)
        anchor = "start" if x < 60 else "end" if x > width - 60 else "middle"
        body += f'<circle class="dot drop" cx="{x:.1f}" cy="{line:g}" r="7"/>'
        body += f'<text class="value" x="{x:.1f}" y="{line - 16:g}" text-anchor="{anchor}">{percent(estimate)}</text>'
    readings = "; ".join(f"{name} {percent(value)}" for name, value in shown)
    found = percent(estimate) if known(estimate) else "not known"
    label = f"estimated share {found}, interval {percent(low)} to {percent(high)}; {readings}"
    return svg(width, 70, label.rstrip("; "), body, "share")


def stacked(parts: Sequence[tuple[str, str, float]], label: str) -> str:
    """One bar cut into ``(class, name, amount)`` parts that fill its whole width."""
    total = sum(amount for _, _, amount in parts) or 1.0
    body, x = '<rect class="track" x="0" y="0" width="200" height="10"/>', 0.0
    for kind, name, amount in parts:
        width = 200 * amount / total
        title = f"<title>{escape(name)}: {amount:g}</title>"
        body += f'<rect class="{kind}" x="{x:.2f}" y="0" width="{width:.2f}" height="10">{title}</rect>'
        x += width
    return svg(200, 10, label, body, "stacked", stretch=True)


def histogram(
    kept: Sequence[float], removed: Sequence[float], bounds: Bounds, label: str, threshold: float | None, bins: int = 24
) -> str:
    """Suspicion of one label's stems, the set-aside ones stacked on the kept; values outside sit in the end bars."""
    width, base, top, left = 256.0, 112.0, 12.0, 28.0
    right = width - 4.0
    counts = [_binned(values, bounds, bins) for values in (kept, removed)]
    tallest = max((a + b for a, b in zip(*counts, strict=True)), default=0) or 1
    step = (right - left) / bins
    body = ""
    for level in (tallest, tallest // 2):
        y = base - (base - top) * level / tallest
        if level:
            body += f'<line class="grid" x1="{left:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
            body += f'<text class="tick" x="{left - 6:g}" y="{y + 4:.1f}" text-anchor="end">{level}</text>'
    for index in range(bins):
        y, x = base, left + index * step
        for kind, amounts in zip(("keep", "drop"), counts, strict=True):
            height = (base - top) * amounts[index] / tallest
            y -= height
            if amounts[index]:
                body += (
                    f'<rect class="{kind}" x="{x + 0.5:.1f}" y="{y:.1f}" width="{step - 1:.1f}" height="{height:.1f}"/>'
                )
    body += f'<line class="axis" x1="{left:g}" x2="{right:g}" y1="{base:g}" y2="{base:g}"/>'
    for value, x, anchor in ((bounds[0], left, "start"), (bounds[1], right, "end")):
        body += f'<text class="tick" x="{x:g}" y="{base + 16:g}" text-anchor="{anchor}">{decimal(value, 1)}</text>'
    if known(threshold) and bounds[0] <= threshold <= bounds[1]:
        x = left + (right - left) * (float(threshold) - bounds[0]) / ((bounds[1] - bounds[0]) or 1.0)
        anchor = "start" if x < left + 30 else "end" if x > right - 30 else "middle"
        body += f'<line class="threshold" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 8:g}" y2="{base + 4:g}"/>'
        body += f'<text class="cut" x="{x:.1f}" y="{base + 16:g}" text-anchor="{anchor}">{decimal(threshold, 2)}</text>'
    words = f"{label}: {len(kept)} stems kept, {len(removed)} set aside"
    words += f", threshold {decimal(threshold, 2)}" if known(threshold) else ""
    return svg(width, 132, words, body, "histogram")


def _binned(values: Sequence[float], bounds: Bounds, bins: int) -> list[int]:
    places = (np.asarray(values, dtype=float) - bounds[0]) / ((bounds[1] - bounds[0]) or 1.0) * bins
    return np.bincount(np.clip(np.floor(places), 0, bins - 1).astype(int), minlength=bins).tolist()


def roc(points: Points, name: str, compared: Points = ()) -> str:
    """One receiver operating characteristic, in front of another drawn faint for comparison."""
    size, edge = 168.0, 12.0
    inner = size - 2 * edge
    body = f'<rect class="frame" x="{edge:g}" y="{edge:g}" width="{inner:g}" height="{inner:g}"/>'
    body += f'<path class="chance" d="M{edge:g} {size - edge:g}L{size - edge:g} {edge:g}"/>'
    faint = _roc_path(compared, size, edge)
    body += f'<path class="other" d="{faint}"/>' if faint else ""
    path = _roc_path(points, size, edge)
    if path:
        body += f'<path class="area" d="{path}L{size - edge:g} {size - edge:g}Z"/><path class="curve" d="{path}"/>'
    body += f'<text class="tick" x="{edge:g}" y="{size - 1:g}">0</text>'
    body += f'<text class="tick" x="{size - edge:g}" y="{size - 1:g}" text-anchor="end">false alarms 1</text>'
    return svg(size, size, name, body, "roc")


def _roc_path(points: Points, size: float, edge: float) -> str:
    """SVG path of a curve, with points that would fall on the same half pixel, or in one line, left out."""
    inner = size - 2 * edge
    path: list[tuple[float, float]] = []
    for x, y in points:
        if not (known(x) and known(y)):
            continue
        point = (round(2 * (edge + inner * float(x))) / 2, round(2 * (size - edge - inner * float(y))) / 2)
        if path and point == path[-1]:
            continue
        if len(path) > 1 and _in_line(path[-2], path[-1], point):
            path.pop()
        path.append(point)
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in path) if path else ""


def _in_line(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[0] - a[0]) * (c[1] - b[1]) == (b[1] - a[1]) * (c[0] - b[0])


def waveform(low: Sequence[float], high: Sequence[float], label: str) -> str:
    """Lowest and highest sample of each column of a crop, full scale = the picture's height."""
    columns = len(low)
    if not columns:
        return ""
    height = 56.0
    upper = [f"{x:g} {height / 2 * (1 - min(max(v, -1.0), 1.0)):.1f}" for x, v in enumerate(high)]
    lower = [f"{x:g} {height / 2 * (1 - min(max(v, -1.0), 1.0)):.1f}" for x, v in enumerate(low)]
    body = f'<line class="rule" x1="0" x2="{columns}" y1="28" y2="28"/>'
    body += f'<path class="wave" d="M{"L".join(upper + lower[::-1])}Z"/>'
    return svg(max(columns - 1, 1), height, label, body, "waveform", stretch=True)


def bar(fraction: float, label: str, kind: str = "keep") -> str:
    """A bar filled to ``fraction`` of its width."""
    width = 100 * min(max(float(fraction), 0.0), 1.0) if known(fraction) else 0.0
    body = '<rect class="track" x="0" y="0" width="100" height="6"/>'
    body += f'<rect class="{kind}" x="0" y="0" width="{width:.2f}" height="6"/>'
    return svg(100, 6, label, body, "bar", stretch=True)
