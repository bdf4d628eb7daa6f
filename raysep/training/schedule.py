"""The learning rate as a function of the step (and, on a plateau, of the validations so far)."""

from __future__ import annotations

import math

RISE = 0.3  # share of a cycle in which the rate rises
START, END = 1 / 25, 1e-4  # of a cycle, relative to its peak (Smith & Topin 2017; the library's defaults)


def learning_rate(schedule: str, peak: float, step: int, steps: int, warmup: int, factor: float = 1.0) -> float:
    """The rate of step ``step`` (from 0) of ``steps``.

    ``cosine``, ``plateau`` and ``constant`` rise linearly over ``warmup`` steps; then the first falls along half a cosine
    to zero, the second is ``peak * factor``, where validation decides the factor. ``one-cycle`` has a rise of its own.
    """
    progress = min(1.0, step / steps)
    if schedule == "one-cycle":
        if progress < RISE:
            return peak * _between(START, 1.0, progress / RISE)
        return peak * _between(1.0, END, (progress - RISE) / (1 - RISE))
    warm = min(1.0, (step + 1) / (warmup + 1))
    return peak * warm * (0.5 * (1.0 + math.cos(math.pi * progress)) if schedule == "cosine" else factor)


def _between(start: float, end: float, progress: float) -> float:
    """Along half a cosine."""
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * progress))
