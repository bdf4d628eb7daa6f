"""The one way in which channels become fewer or more, for all that is scored, trained on and measured.

| from | to | |
|---|---|---|
| any number | the same | as they are |
| one | more | on each of them |
| two or more | another number | their mean, on each |

No decoder tells which channel of five or six is which, and the formats order them differently; so none is taken for left or
right, and none is left out. Where the channels cancel, as when the cable of one was reversed, the loudest stands for all.
"""

from __future__ import annotations

import numpy as np

CANCELS_DB = -15.0  # channels that correlate by -0.94 or less; wide stereo is far above it


def as_channels(audio: np.ndarray, channels: int) -> np.ndarray:
    """``(channel, time)`` with so many channels, see above."""
    if audio.shape[0] == channels:
        return audio
    return np.repeat(mono(audio), channels, axis=0)


def mono(audio: np.ndarray) -> np.ndarray:
    """``(channel, time)`` to ``(1, time)``: the mean of the channels, or the loudest of them where they cancel."""
    if audio.shape[0] == 1:
        return audio
    mean = _mean(audio)
    if _level_db(mean, audio) > CANCELS_DB:
        return mean
    loudest = int(np.argmax([np.dot(channel, channel) for channel in audio]))
    return audio[loudest : loudest + 1]


def mono_level_db(audio: np.ndarray) -> float:
    """Power of the mean of the channels against the mean of their powers, dB: 0 = alike, -3 = unrelated, -100 = opposite.

    0 for silence and for a single channel.
    """
    return 0.0 if audio.shape[0] < 2 else _level_db(_mean(audio), audio)


def cancels(audio: np.ndarray) -> bool:
    """Whether so little is left of ``(channel, time)`` in mono that it is no picture of them."""
    return mono_level_db(audio) <= CANCELS_DB


def _mean(audio: np.ndarray) -> np.ndarray:
    """``audio.mean(axis=0, keepdims=True)`` of two channels or more, to the last bit, in a third of its time."""
    total = audio[0] + audio[1]
    for channel in audio[2:]:
        total += channel
    total /= len(audio)
    return total[None]


def _level_db(mean: np.ndarray, audio: np.ndarray) -> float:
    power, all_power = _power(mean), _power(audio)
    return float(10 * np.log10(max(power / all_power, 1e-10))) if all_power else 0.0


def _power(audio: np.ndarray) -> float:
    """Mean square, without a copy in float64."""
    samples = np.ascontiguousarray(audio).reshape(-1)
    return float(np.dot(samples, samples)) / max(1, samples.size)
