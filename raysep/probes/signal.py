"""Specialists that read no model: each measures one property of the samples ``(channel, time)`` of a stem.

Which way a property points is fixed in ``ORIENTED`` (1: higher = cleaner, -1: higher = more suspect); the others are
only unusual or not, and are judged two-sidedly. All are invariant to the stem's level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from raysep.audio.channels import CANCELS_DB, mono, mono_level_db
from raysep.probes.probe import Probe

ORIENTED = {
    "clipping": -1,
    "dropout": -1,
    "dc": -1,
    "noise-floor": -1,
    "noise-floor-high": -1,
    "bandwidth": 1,
    "top-band": 1,
    "edge": -1,
    "crest": 1,
    "cancel": 1,
}
NEUTRAL = ("flatness", "correlation", "gaps", "dynamics")
NAMES = (*ORIENTED, *NEUTRAL)

FRAME_SECONDS = 0.02  # for levels over time
FLAT_RUN = 3  # equal samples at the peak that music does not make by itself
FLATNESS_TOLERANCE = 1e-4  # of the peak; a little above one step of 16 bits at full scale
BOTTOM_DB = -100.0  # what is quieter, relative to the stem, is nothing
MOST_LAG_SECONDS = 0.25
WIDE_DB = -6.0  # what is left in mono of channels that correlate by -0.5: stereo can be as wide
CANCELLED_DB = CANCELS_DB - WIDE_DB  # of the property below: the polarity of a channel is reversed
LEAST_OFFSET = 0.005  # of the RMS: any sound recording has so much


def describe(audio: np.ndarray, sample_rate: int) -> dict[str, float]:
    """Every property of ``NAMES`` for ``(channel, time)``; NaN for a stem without any signal."""
    loudest = float(np.abs(audio).max()) if audio.size else 0.0
    if not loudest:
        return dict.fromkeys(NAMES, float("nan"))
    audio = np.asarray(audio, dtype=np.float32) / np.float32(loudest)
    rms = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
    powers, frequencies = spectrogram(audio, sample_rate)
    return {
        "clipping": clipping_share(audio),
        **dropouts(audio, sample_rate),
        "dc": float(max(np.abs(audio.mean(axis=1, dtype=np.float64)).max() / rms, LEAST_OFFSET)),
        **floors(powers, frequencies),
        **spectrum_shape(powers, frequencies),
        "crest": float(20 * np.log10(1.0 / rms)),
        "correlation": channel_correlation(audio),
        "cancel": cancellation(audio),
    }


def clipping_share(audio: np.ndarray) -> float:
    """Share of samples in runs of three or more that stay flat within 1e-4 of the peak at 0.7 of it or above.

    Flatness is what tells a clipped peak from a round one; the level may have been changed since.
    """
    return float(flat_tops(audio).mean()) if audio.size else 0.0


def flat_tops(audio: np.ndarray) -> np.ndarray:
    """Which samples those are, bool ``(channel, time)``."""
    size = np.abs(audio)
    peak = size.max(initial=0.0)
    if not peak:
        return np.zeros(audio.shape, dtype=bool)
    same = (np.abs(np.diff(audio, axis=1)) <= FLATNESS_TOLERANCE * peak) & (size[:, 1:] >= 0.7 * peak)
    run = np.ones(audio.shape, dtype=bool)[:, FLAT_RUN - 1 :]
    for k in range(FLAT_RUN - 1):
        run &= same[:, k : k + run.shape[1]]
    flat = np.zeros(audio.shape, dtype=bool)
    for k in range(FLAT_RUN):
        flat[:, k : k + run.shape[1]] |= run
    return flat


def dropouts(audio: np.ndarray, sample_rate: int, shortest: float = 0.01) -> dict[str, float]:
    """``dropout``: share of the time in digital silence that begins or ends at full sound; ``gaps``: how many a minute.

    A note that fades reaches zero gradually. A gap counts when, within a millisecond outside either end, the signal
    is above -40 dB of the stem's RMS; gaps shorter than ``shortest`` seconds are zero crossings, not gaps.
    """
    found = gaps(audio, sample_rate, shortest)
    total, seconds = sum(end - start for start, end in found), audio.shape[1] / sample_rate
    return {"dropout": total / audio.shape[1], "gaps": 60.0 * len(found) / seconds}


def gaps(audio: np.ndarray, sample_rate: int, shortest: float = 0.01) -> list[tuple[int, int]]:
    """Where those are: the first sample of each, and the first one after it."""
    size = np.abs(audio).max(axis=0)
    rms = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
    quiet = np.concatenate([[False], size <= 1e-5 * size.max(initial=0.0), [False]])
    edges = np.flatnonzero(np.diff(quiet.astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    long = ends - starts >= shortest * sample_rate
    near = max(1, round(0.001 * sample_rate))
    found = []
    for start, end in zip(starts[long].tolist(), ends[long].tolist(), strict=True):
        before, after = size[max(0, start - near) : start], size[end : end + near]
        # The first sound after a rest may well be abrupt (a drum), so only the way into the gap decides, unless
        # the stem begins with the gap.
        if before.max(initial=0.0) > 0.01 * rms and after.size:
            found.append((start, end))
    return found


def spectrogram(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Power ``(frame, bin)``, channels averaged, and the bins' frequencies in Hz. Frames of about 40 ms, Hann."""
    n_fft = 2 ** round(np.log2(0.04 * sample_rate))
    if audio.shape[1] < n_fft:
        audio = np.pad(audio, ((0, 0), (0, n_fft - audio.shape[1])))
    window = np.hanning(n_fft + 2)[1:-1].astype(np.float32)  # without its zeros: one sample must count too
    frames = np.lib.stride_tricks.sliding_window_view(audio, n_fft, axis=1)[:, :: n_fft // 2]
    power = np.zeros((frames.shape[1], n_fft // 2 + 1))
    for channel in frames:
        for first in range(0, len(channel), 256):  # blocks: a long stem's spectrogram is larger than its samples
            spectrum = np.fft.rfft(channel[first : first + 256] * window)
            power[first : first + 256] += np.square(spectrum.real) + np.square(spectrum.imag)
    return power / len(audio), np.fft.rfftfreq(n_fft, 1.0 / sample_rate)


def floors(powers: np.ndarray, frequencies: np.ndarray) -> dict[str, float]:
    """Level of the quietest frames against the loud ones (dB): over all frequencies, and in the top half of them.

    Noise and bleed fill the gaps between notes. Frames of digital silence are left out: a rest says nothing about
    noise. ``dynamics`` is the spread between the loud and the middle frames.
    """
    level, high = powers.sum(axis=1), powers[:, frequencies >= 0.5 * frequencies[-1]].sum(axis=1)
    loud = np.quantile(level, 0.95)
    audible = level > loud * 10 ** (BOTTOM_DB / 10)
    if not loud or not audible.any():
        return {"noise-floor": BOTTOM_DB, "noise-floor-high": BOTTOM_DB, "dynamics": 0.0}
    quiet, middle = np.quantile(level[audible], [0.05, 0.5])
    return {
        "noise-floor": decibels(quiet / loud),
        "noise-floor-high": decibels(np.quantile(high[audible], 0.05) / loud),
        "dynamics": -decibels(middle / loud),
    }


def spectrum_shape(powers: np.ndarray, frequencies: np.ndarray) -> dict[str, float]:
    """Of the long-term spectrum.

    ``bandwidth``: octaves from 20 Hz to the frequency below which 99.9 % of the energy lies. ``top-band``: energy
    above 0.6 of the Nyquist frequency against all (dB). ``edge``: the steepest fall (dB) over a sixth of an octave
    above 1 kHz, as a low-pass or a codec leaves it. ``flatness``: geometric over arithmetic mean of the power,
    averaged over the frames with sound (dB).
    """
    mean = powers.mean(axis=0)
    total = mean.sum()
    cumulative = np.cumsum(mean) / total
    rolloff = frequencies[min(int(np.searchsorted(cumulative, 0.999)), len(frequencies) - 1)]
    top = mean[frequencies >= 0.6 * frequencies[-1]].sum() / total
    floor = 10 ** (BOTTOM_DB / 10)
    audible = powers[powers.sum(axis=1) > np.quantile(powers.sum(axis=1), 0.95) * 1e-6]
    relative = audible / audible.mean(axis=1, keepdims=True) if len(audible) else np.ones((1, 1))
    return {
        "bandwidth": float(np.log2(max(rolloff, 20.0) / 20.0)),
        "top-band": decibels(top),
        "edge": steepest_fall(mean, frequencies),
        "flatness": float(10 * np.log10(np.maximum(relative, floor)).mean()),
    }


def steepest_fall(mean: np.ndarray, frequencies: np.ndarray, lowest_hz: float = 1000.0) -> float:
    """Largest drop in dB between neighbouring sixth-octave bands above ``lowest_hz``; the floor is at -100 dB."""
    edges = lowest_hz * 2.0 ** (np.arange(0, 6 * np.log2(max(frequencies[-1] / lowest_hz, 1.0)) + 1e-9) / 6)
    bands = np.searchsorted(frequencies, edges)
    levels = [mean[a:b].mean() for a, b in pairwise(bands) if b > a]
    if len(levels) < 2:
        return 0.0
    levels = 10 * np.log10(np.maximum(np.array(levels) / mean.max(), 10 ** (BOTTOM_DB / 10)))
    return float(np.max(levels[:-1] - levels[1:]))


def channel_correlation(audio: np.ndarray) -> float:
    """Lowest correlation between the first channel and another; 1 for mono or equal channels, 0 with a silent one."""
    if len(audio) < 2:
        return 1.0
    centred = audio - audio.mean(axis=1, keepdims=True)
    energy = np.square(centred, dtype=np.float64).sum(axis=1)
    products = (centred[:1] * centred[1:]).sum(axis=1, dtype=np.float64)
    scale = np.sqrt(energy[0] * energy[1:])
    return float(np.divide(products, scale, out=np.zeros_like(products), where=scale > 0).min())


def cancellation(audio: np.ndarray) -> float:
    """dB by which channels cancel in mono beyond what wide stereo does; 0 = no more than that, -94 = opposite channels."""
    return min(0.0, mono_level_db(audio) - WIDE_DB)


def decibels(ratio: float) -> float:
    return float(max(10 * np.log10(max(ratio, 1e-30)), BOTTOM_DB))


class Synchrony(NamedTuple):
    lag: float  # seconds by which the stem's onsets come after the others', at the correlation's peak
    height: float  # correlation there, -1 … 1
    margin: float  # correlation within 15 ms of no lag, minus the best elsewhere: higher = in time


def synchrony(stem: np.ndarray, others: np.ndarray, sample_rate: int) -> Synchrony:
    """Whether a stem's onsets fall on those of the rest of its track, up to a quarter of a second away.

    Both are onset envelopes ``(frame,)``, the others' summed. Finds a stem that is late against its track. NaN when
    either has no onset or they are shorter than a second.
    """
    from scipy.signal import correlate

    first, second, hop = stem, others, _onset_hop(sample_rate)
    frames = min(len(first), len(second))
    reach = round(MOST_LAG_SECONDS * sample_rate / hop)
    first, second = (e[:frames] - e[:frames].mean() if frames else e for e in (first, second))
    scale = np.linalg.norm(first) * np.linalg.norm(second)
    if not scale or frames * hop < sample_rate:
        return Synchrony(float("nan"), float("nan"), float("nan"))
    curve = correlate(first, second, mode="full")[frames - 1 - reach : frames + reach] / scale
    peak = int(curve.argmax())
    lag = peak - reach + _parabola(curve, peak)
    near = np.abs(np.arange(-reach, reach + 1)) * hop <= 0.015 * sample_rate
    return Synchrony(lag * hop / sample_rate, float(curve[peak]), float(curve[near].max() - curve[~near].max()))


def best_margin(stem: np.ndarray, others: Sequence[np.ndarray], sample_rate: int) -> float:
    """The margin of the other stem's envelope that the stem is most in time with; higher = cleaner, NaN when unknown.

    A stem in time has a companion; one that is late has none. Against the sum of the others, a stem in time would
    suffer from a late neighbour.
    """
    margins = [synchrony(stem, other, sample_rate).margin for other in others]
    return max((margin for margin in margins if not np.isnan(margin)), default=float("nan"))


def timing(stems: Mapping[str, np.ndarray], sample_rate: int) -> dict[str, Synchrony]:
    """label → how the stem stands in time against the rest of its track, its margin that of the best companion.

    ``stems`` are ``(channel, time)``. NaN for a stem of which no companion has onsets.
    """
    onsets = {label: onset_envelope(audio, sample_rate) for label, audio in stems.items()}
    found = {}
    for label, own in onsets.items():
        others = [envelope for name, envelope in sorted(onsets.items()) if name != label and len(envelope)]
        if others:
            whole = synchrony(own, np.sum(others, axis=0), sample_rate)
            found[label] = whole._replace(margin=best_margin(own, others, sample_rate))
        else:
            found[label] = Synchrony(float("nan"), float("nan"), float("nan"))
    return found


def onset_envelope(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """``(frame,)`` rise of the log power summed over a dozen bands, every 5 ms."""
    hop = _onset_hop(sample_rate)
    n_fft = 2 ** round(np.log2(0.025 * sample_rate))
    single = mono(np.asarray(audio, dtype=np.float32))[0]
    if len(single) < 2 * n_fft or not np.abs(single).max():
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(single, n_fft)[::hop]
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    edges = np.unique(np.geomspace(1, n_fft // 2, 13).astype(int))
    bands = np.concatenate(
        [
            np.add.reduceat(np.square(np.abs(np.fft.rfft(block * window))), edges[:-1], axis=1)
            for block in np.array_split(frames, -(-len(frames) // 512))
        ]
    )
    level = np.log(bands + 1e-6 * bands.max())  # 60 dB below the loudest band: rises out of silence stay finite
    return np.maximum(np.diff(level, axis=0), 0.0).sum(axis=1)


def _onset_hop(sample_rate: int) -> int:
    return max(1, round(0.005 * sample_rate))


def _parabola(curve: np.ndarray, peak: int) -> float:
    """Offset of the maximum of the parabola through a sample and its neighbours, within half a sample."""
    if not 0 < peak < len(curve) - 1:
        return 0.0
    left, middle, right = curve[peak - 1 : peak + 2]
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


# As probes --------------------------------------------------------------------------------------------------------


def _property(name: str) -> Probe:
    sign = ORIENTED.get(name, 1)
    return Probe(
        f"signal-{name}",
        "stem",
        (),
        name in ORIENTED,
        "specialist on the samples",
        lambda stem: sign * stem.once(describe)[name],
    )


OF_SAMPLES = tuple(_property(name) for name in NAMES)
OF_ONSETS = (
    Probe(
        "signal-lag",
        "stem",
        (),
        True,
        "onset cross-correlation with the track's other stems",
        lambda stem: -abs(stem.of_track(timing)[stem.label].lag),
    ),
    Probe(
        "signal-synchrony",
        "stem",
        (),
        False,
        "height of its peak",
        lambda stem: stem.of_track(timing)[stem.label].height,
    ),
    Probe(
        "signal-in-time",
        "stem",
        (),
        True,
        "its value near no lag against the best elsewhere, with the best companion",
        lambda stem: stem.of_track(timing)[stem.label].margin,
    ),
)
