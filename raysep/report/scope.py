"""What is seen of a sound: its outline above its mel spectrogram, on one axis of time, with the span that is marked.

Places along the time are percentages, so that a picture fills any width and its text stays as large as text is.
"""

from __future__ import annotations

import base64
from html import escape

from raysep.report import pictures
from raysep.report.data import Outline, Place, Take
from raysep.report.numbers import decimal

SPECTRUM, AXIS = 120, 20  # heights, pixels
LEAST_PERCENT = 0.6  # width of a mark, that it can be seen


def scope(take: Take, name: str) -> str:
    """The pictures of a take, one above the other; the mark and the playhead lie over them."""
    label = f"{take.name} of {name}"
    wave = _wave(take.outline, f"Waveform: {label}")
    return f'<div class="scope">{wave}{_spectrum(take, label)}{_over(take, label)}</div>' if wave else ""


def _wave(outline: Outline, label: str) -> str:
    """As tall as its own peak: a quiet sound has a shape too."""
    peak = max(map(abs, (*outline.low, *outline.high)), default=0.0) or 1.0
    low, high = ([0.96 * value / peak for value in values] for values in (outline.low, outline.high))
    return pictures.waveform(low, high, label)


def _spectrum(take: Take, label: str) -> str:
    body = ""
    if take.spectrogram:
        address = "data:image/png;base64," + base64.b64encode(take.spectrogram).decode("ascii")
        body += f'<image href="{address}" x="0" y="0" width="100%" height="{SPECTRUM}" preserveAspectRatio="none"/>'
        for words, height in take.ticks:
            body += f'<text class="hertz" x="5" y="{SPECTRUM * (1 - height) + 4:.1f}">{escape(words)}</text>'
    top = SPECTRUM if take.spectrogram else 0
    for place, words in time_ticks(take.start, take.outline.seconds):
        anchor = "start" if place < 4 else "end" if place > 94 else "middle"
        body += f'<line class="tick" x1="{place:.2f}%" x2="{place:.2f}%" y1="{top}" y2="{top + 4}"/>'
        body += f'<text class="tick" x="{place:.2f}%" y="{top + AXIS - 5}" text-anchor="{anchor}">{words}</text>'
    said = f"Mel spectrogram: {label}" if take.spectrogram else f"Time: {label}"
    return _free(top + AXIS, said, body, "spectrum")


def _over(take: Take, label: str) -> str:
    body, said = "", f"Nothing is marked: {label}"
    if take.span:
        left, width = _percent(take.span, take.start, take.outline.seconds)
        box = f'x="{left:.2f}%" y="2" width="{width:.2f}%" height="97%" rx="2"'
        body += f'<rect class="halo" {box}/><rect class="marked" {box}/>'
        said = f"Marked: {clock(take.span[0], 1)} to {clock(take.span[1], 1)}: {label}"
    body += '<line class="playhead" x1="0%" x2="0%" y1="0" y2="100%"/>'
    return _free(0, said, body, "over")


def whereabouts(place: Place, name: str) -> str:
    """The whole stem in small, with the excerpt that is heard."""
    left, width = _percent((place.start, place.stop), 0.0, place.outline.seconds)
    said = f"From {clock(place.start)} to {clock(place.stop)} of {clock(place.outline.seconds)}: {name}"
    mark = f'<rect class="excerpt" x="{left:.2f}%" y="0" width="{width:.2f}%" height="100%" rx="2"/>'
    wave = _wave(place.outline, f"The whole stem: {name}")
    return f'<div class="scope small">{wave}{_free(0, said, mark, "over")}</div>' if wave else ""


def _free(height: int, label: str, body: str, kind: str) -> str:
    tall = f' height="{height}"' if height else ""
    return f'<svg class="{kind}" width="100%"{tall} role="img" aria-label="{escape(label)}">{body}</svg>'


def _percent(span: tuple[float, float], start: float, seconds: float) -> tuple[float, float]:
    """(left, width) of a span on an axis, inside it and never too narrow to be seen."""
    seconds = seconds or 1.0
    left = min(max(100 * (span[0] - start) / seconds, 0.0), 100.0 - LEAST_PERCENT)
    right = min(max(100 * (span[1] - start) / seconds, left + LEAST_PERCENT), 100.0)
    return left, right - left


def time_ticks(start: float, seconds: float, most: int = 8) -> list[tuple[float, str]]:
    """(place in percent, time) of round times, at most so many."""
    if not seconds > 0:
        return []
    step = next((s for s in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600) if seconds / s <= most), seconds / most)
    first = -(-start // step)
    found = [(first + k) * step for k in range(int(seconds // step) + 1)]
    return [(100 * (t - start) / seconds, clock(t, 0 if step >= 1 else 1)) for t in found if t - start <= seconds]


def clock(seconds: float, digits: int = 0) -> str:
    """``1:07`` or ``1:07.5``; of the nearest such time."""
    rounded = round(seconds, digits)
    minutes, rest = int(rounded // 60), rounded % 60
    return f"{minutes}:{decimal(rest, digits).zfill(2 if not digits else 3 + digits)}"
