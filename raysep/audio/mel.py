"""The mel filter bank: triangles over the bins of a Fourier transform, evenly spaced as pitch is heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np


class Scale(NamedTuple):
    """From Hz to mel and back, over arrays."""

    mel: Callable[[np.ndarray], np.ndarray]
    hertz: Callable[[np.ndarray], np.ndarray]


# O'Shaughnessy, "Speech Communication" (1987), and the Hidden Markov Model Toolkit.
HTK = Scale(
    lambda hertz: 2595.0 * np.log10(1.0 + hertz / 700.0),
    lambda mel: 700.0 * (10.0 ** (mel / 2595.0) - 1.0),
)
# Slaney, "Auditory Toolbox" (1998), librosa's default: straight up to 1 kHz, then a factor of 6.4 in 27 mel.
STEP, TURN, GROWTH = 200.0 / 3.0, 1000.0, np.log(6.4) / 27.0  # Hz a mel; Hz; natural logarithm a mel
SLANEY = Scale(
    lambda hertz: np.where(hertz < TURN, hertz / STEP, TURN / STEP + np.log(np.maximum(hertz, TURN) / TURN) / GROWTH),
    lambda mel: np.where(mel < TURN / STEP, mel * STEP, TURN * np.exp(GROWTH * (mel - TURN / STEP))),
)


def filters(
    sample_rate: int,
    n_fft: int,
    mels: int,
    span: tuple[float, float] | None = None,
    *,
    scale: Scale = HTK,
    straight: Literal["hertz", "mel"] = "hertz",
    norm: Literal["height", "area", "sum"] = "height",
    fill: bool = False,
) -> np.ndarray:
    """``(mel, bin)`` float32 triangles, each from the peak of the one below it to that of the one above.

    ``span`` is where the first begins and the last ends, Hz; without it 0 and half the sample rate. Their corners are
    evenly spaced on ``scale``, their sides straight lines over Hz or over mel. ``norm`` gives each the height one, the
    area one over Hz, or bins that sum to one. A low triangle may be narrower than a bin and catch none: with ``fill`` it
    takes the bin next to its peak, whole.
    """
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    low, high = scale.mel(np.array(span or (0.0, sample_rate / 2)))
    evenly = np.linspace(low, high, mels + 2)
    hertz = scale.hertz(evenly)
    places, corners = (scale.mel(bins), evenly) if straight == "mel" else (bins, hertz)
    rising = (places - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - places) / np.diff(corners)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    if fill:
        for empty in np.flatnonzero(triangles.sum(axis=1) == 0.0):
            triangles[empty, np.argmin(np.abs(places - corners[empty + 1]))] = 1.0
    if norm == "area":
        triangles *= 2.0
        triangles /= (hertz[2:] - hertz[:-2])[:, None]
    elif norm == "sum":
        triangles /= triangles.sum(axis=1, keepdims=True)
    return triangles.astype(np.float32)
