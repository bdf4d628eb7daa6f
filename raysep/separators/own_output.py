"""A stem that goes into a separator alone: what comes out under its own label, and how much of all that is.

A clean stem comes out whole in its own slot, one with bleed leaves the bleed in the others (after the self-consistency of the
SDX'23 winners, arXiv 2308.06979, which the probe of that name measures).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raysep.audio.resample import resample
from raysep.separators.base import Separator
from raysep.separators.inference import separate

LEAST = 1e-12  # of an energy: digital silence has a share of 0


class OwnOutput(NamedTuple):
    audio: np.ndarray  # (channel, time) float32
    share: float  # of the energy of all outputs, 0…1; higher = more of the stem is its label


def own_output(network: Separator, audio: np.ndarray, label: str, sample_rate: int) -> OwnOutput:
    """The stem ``(channel, time)`` at ``sample_rate`` Hz without what the network takes for other labels, of the same shape.

    What lies above half of the network's own rate stays as it is. Raises ``ValueError`` when it has no such label.
    """
    if label not in network.stems:
        raise ValueError(f"label {label!r}: the network separates {', '.join(network.stems)}")
    heard = resample(audio, sample_rate, network.sample_rate)
    outputs = separate(network, heard).numpy()  # (stem, channel, time)
    own = outputs[network.stems.index(label)]
    energies = np.square(outputs, dtype=np.float64).sum(axis=(1, 2))
    share = float(np.square(own, dtype=np.float64).sum() / max(energies.sum(), LEAST))
    taken = resample(heard - own, network.sample_rate, sample_rate)[:, : audio.shape[1]]
    left = audio.astype(np.float32)
    left[:, : taken.shape[1]] -= taken
    return OwnOutput(left, share)
