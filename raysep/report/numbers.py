"""Numbers as a reader wants them: rounded to what they can carry, a real minus sign, a dash for what is not known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, TypeGuard

UNKNOWN = "–"
BEYOND = 1e100  # of which no usable number is
NARROW = "\u202f"  # narrow no-break space between a number and its unit


def known(value: Any) -> TypeGuard[float]:
    """Whether ``value`` is a usable number; ``None``, NaN, infinities, booleans, text and overflows are not."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    size: Any = abs(value if isinstance(value, Integral) else float(value))
    return size < BEYOND  # False for NaN


def decimal(value: Any, digits: int = 2, signed: bool = False) -> str:
    if not known(value):
        return UNKNOWN
    form = f".{digits}f" if abs(value) < 1e9 else ".3g"
    text = f"{round(float(value), digits) + 0.0:{'+' if signed else ''}{form}}"  # + 0.0 turns -0.0 into 0.0
    return text.replace("-", "−")


def score(value: Any) -> str:
    """A signed figure of unknown scale: two decimals, or three significant figures where those would show nothing."""
    if known(value) and 0 < abs(value) < 0.1:
        return f"{float(value):+.3g}".replace("-", "−")
    return decimal(value, 2, signed=True)


def decibels(value: Any, signed: bool = False) -> str:
    return f"{decimal(value, 2, signed)}{NARROW}dB" if known(value) else UNKNOWN


def percent(share: Any, digits: int = 1) -> str:
    return f"{decimal(100 * float(share), digits)}{NARROW}%" if known(share) else UNKNOWN


def probability(value: Any) -> str:
    """Three decimals, and never a rounded 0 or 1 for something that is not certain."""
    if not known(value):
        return UNKNOWN
    if 0 < value < 0.0005:
        return "<0.001"
    if 0.9995 <= value < 1:
        return ">0.999"
    return decimal(value, 3)


def count(value: Any) -> str:
    return f"{int(value):,}".replace(",", NARROW) if known(value) else UNKNOWN


def duration(seconds: Any) -> str:
    if not known(seconds):
        return UNKNOWN
    if seconds < 60:
        return f"{decimal(seconds, 2 if seconds < 10 else 1)}{NARROW}s"
    whole = round(float(seconds))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours}{NARROW}h {minutes:02d}{NARROW}min"
    return f"{minutes}{NARROW}min {rest:02d}{NARROW}s"


def span(low: Any, high: Any, show: Callable[[Any], str] = decimal) -> str:
    """An interval, ``low to high``; a dash when neither end is known."""
    return f"{show(low)} to {show(high)}" if known(low) or known(high) else UNKNOWN


def anything(value: Any) -> str:
    """A value nobody described: integers exactly, other numbers to six figures, lists and dicts joined."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return str(int(value)).replace("-", "−")
    if isinstance(value, Real):
        return f"{float(value):.6g}".replace("-", "−") if math.isfinite(value) else UNKNOWN
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {anything(item)}" for key, item in value.items()) or UNKNOWN
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(anything(item) for item in value) or UNKNOWN
    return str(value)


def flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested dicts as ``outer.inner`` keys in their own order."""
    flat: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat += flatten(value, f"{name}.") if isinstance(value, Mapping) and value else [(name, value)]
    return flat
