"""What is wrong with one file, told from its samples alone: measures, and above which values they are worth a word.

Each bound lies beyond all stems of sixty rendered songs (tests/probes/test_flaws.py holds that): what is told is no matter
of taste. A *fault* is to be looked at; a *note* may well be meant so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from raysep.audio.levels import SILENCE_DBFS, rms_dbfs
from raysep.probes import signal

FAULT, NOTE = "fault", "note"
STATED_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
MOST_BITS = 24  # that float32 can tell apart
SHORT_SECONDS = 1.0
BANDS = 64  # equal ones up to half the rate, in which a spectrum's end is looked for
LOWEST_EDGE_HZ = 1_000.0  # music may well end below
SPECTRUM_SECONDS = 60.0  # of a longer stem: excerpts tell its bandwidth
EXCERPTS = 12
EMBEDDED_SECONDS = 30.0  # of a stem are enough to tell what it sounds like

# Beyond which a measure is worth a word; in brackets the most extreme of 256 rendered stems (docs/results/check.md).
MOST_CLIPPING = 1e-3  # of the samples (3e-4)
CLEAR_OFFSET = 6.0  # standard errors of its mean
FEWEST_BLOCKS = 10
MOST_DC = 0.02  # of the RMS (2e-4)
MOST_CANCELLING_DB = -10.0  # (-1.8)
EQUAL_CHANNELS_DB = -80.0  # (-31): about a step of 16 bits
MOST_UNEVEN_DB = -40.0  # (-8.8)
LEAST_EDGE_DB = 35.0  # (27)
HIGHEST_EDGE = 0.85  # of half the rate: what ends above is a converter's own filter
WHOLE_NUMBERS = 16.0  # +24 dBFS: no mix in floating point is as loud, and integers written into one are louder
LEAST_BITS_LOST = 2.0  # one is what doubling the level leaves (0)


@dataclass(frozen=True)
class Finding:
    """One thing about a stem or a track that is worth a word."""

    what: str
    level: str  # FAULT or NOTE
    value: float
    threshold: float
    words: str


@dataclass(frozen=True)
class Measures:
    """Of one file's samples."""

    seconds: float
    level_dbfs: float  # RMS
    peak: float  # largest size of a sample; 1 = full scale
    clipping: float  # share of samples on flat tops
    dc: float  # largest clear mean of a channel, against the RMS
    gaps: float  # sudden silences
    correlation: float  # lowest between the first channel and another
    cancelling_db: float  # of the channels' mean against the channels
    apart_db: float  # of the channels' difference against the channels
    uneven_db: float  # of the weakest channel against the strongest
    bandwidth_hz: float  # where the spectrum ends
    edge_db: float  # by how much it falls there
    bits: float  # that are used; NaN for what is not whole steps


def measure(audio: np.ndarray, sample_rate: int) -> Measures:
    """All of them for ``(channel, time)`` float32 as decoded, not resampled."""
    highest = peak(audio)
    level = rms_dbfs(audio)
    channels = [rms_dbfs(channel) for channel in audio]
    seconds = audio.shape[1] / sample_rate
    rms = 10 ** (level / 20)
    bandwidth, edge = spectrum_end(*signal.spectrogram(excerpts(audio, sample_rate), sample_rate))
    return Measures(
        seconds=seconds,
        level_dbfs=level,
        peak=highest,
        clipping=signal.clipping_share(audio),
        dc=offset(audio, sample_rate) / rms if highest else 0.0,
        gaps=round(signal.dropouts(audio, sample_rate)["gaps"] * seconds / 60) if highest else 0.0,
        correlation=signal.channel_correlation(audio),
        cancelling_db=rms_dbfs(audio.mean(axis=0, keepdims=True)) - level if highest else 0.0,
        apart_db=rms_dbfs(audio[:1] - audio[-1:]) - level if highest else 0.0,
        uneven_db=min(channels) - max(channels),
        bandwidth_hz=bandwidth,
        edge_db=edge,
        bits=used_bits(audio),
    )


def peak(audio: np.ndarray) -> float:
    """The largest size of a sample of ``(channel, time)``; 0 of none."""
    return float(max(audio.max(initial=0.0), -audio.min(initial=0.0)))


def offset(audio: np.ndarray, sample_rate: int) -> float:
    """Largest mean of a channel of ``(channel, time)``, where it is clear: an offset is there from beginning to end.

    What low notes and noise leave of a short stem's mean changes from one tenth of a second to the next; that is 0.
    """
    block = max(1, round(0.1 * sample_rate))
    count = audio.shape[1] // block
    if count < FEWEST_BLOCKS:
        return 0.0
    means = audio[:, : count * block].reshape(len(audio), count, block).mean(axis=2, dtype=np.float64)
    middle, error = np.abs(means.mean(axis=1)), means.std(axis=1) / np.sqrt(count)
    return float(np.where(middle > CLEAR_OFFSET * error, middle, 0.0).max())


def used_bits(audio: np.ndarray) -> float:
    """How many bits its samples use, 24 at most: the trailing ones that no sample sets are not used.

    NaN for samples that are no whole steps of 24 bits, as of a lossy format or a mix in floating point.
    """
    steps = audio.astype(np.float64).ravel() * 2 ** (MOST_BITS - 1)
    whole = np.rint(steps)
    if not np.array_equal(whole, steps):
        return float("nan")
    lowest = int(np.bitwise_or.reduce(np.abs(whole).astype(np.int64), initial=0))
    return float(MOST_BITS - (lowest & -lowest).bit_length() + 1) if lowest else 0.0


def excerpts(audio: np.ndarray, sample_rate: int, seconds: float = SPECTRUM_SECONDS) -> np.ndarray:
    """``(channel, time)`` of at most so many seconds, in pieces from all over it."""
    most = round(seconds * sample_rate)
    if audio.shape[1] <= most:
        return audio
    each = most // EXCERPTS
    starts = np.linspace(0, audio.shape[1] - each, EXCERPTS).astype(int)
    return np.concatenate([audio[:, start : start + each] for start in starts], axis=1)


def spectrum_end(powers: np.ndarray, frequencies: np.ndarray) -> tuple[float, float]:
    """Where the long-term spectrum ends (Hz), and by how much (dB) it falls there: from the weakest of the four bands
    below to the strongest of all above. A cut is steep; music that has no treble fades out. (Nyquist, 0) without any.
    """
    bands = np.array([part.mean() for part in np.array_split(powers.mean(axis=0), BANDS)])
    levels = 10 * np.log10(np.maximum(bands, bands.max(initial=0.0) * 1e-11) + 1e-300)
    nyquist = float(frequencies[-1])
    first = max(4, int(np.ceil(LOWEST_EDGE_HZ / nyquist * BANDS)))
    falls = [(levels[k - 4 : k].min() - levels[k + 1 :].max(), k) for k in range(first, BANDS - 1)]
    fall, band = max(falls, default=(0.0, BANDS))
    return (nyquist * band / BANDS, float(fall)) if fall > 0 else (nyquist, 0.0)


def flaws_of(found: Measures, sample_rate: int, channels: int, format: str) -> Iterator[Finding]:
    """What a file's measures say, in words. ``format`` is as in the manifest: "WAV/PCM_16"."""
    coding = format.partition("/")[2]
    if found.level_dbfs <= SILENCE_DBFS:
        said = "digital silence" if not found.peak else f"{found.level_dbfs:.0f} dBFS"
        yield Finding("silent", NOTE, found.level_dbfs, SILENCE_DBFS, f"silent throughout ({said})")
        return
    if found.seconds < SHORT_SECONDS:
        yield Finding("short", FAULT, found.seconds, SHORT_SECONDS, f"lasts {found.seconds:.2f} s")
    yield from _levels(found, coding)
    if channels > 1:
        yield from _channels(found)
    yield from _stated(found, sample_rate, coding)


def _levels(found: Measures, coding: str) -> Iterator[Finding]:
    if found.clipping > MOST_CLIPPING:
        words = f"clipped: {100 * found.clipping:.2f} % of the samples lie on flat tops"
        yield Finding("clipped", FAULT, found.clipping, MOST_CLIPPING, words)
    if found.peak > WHOLE_NUMBERS:
        yield Finding(
            "integer scale", FAULT, found.peak, WHOLE_NUMBERS, f"integers as floats: {integer_scale(found.peak)}"
        )
    elif found.peak > 1 and coding in ("FLOAT", "DOUBLE"):
        words = f"above full scale: its peak is {20 * np.log10(found.peak):+.1f} dB, which 16 and 24 bits cut off"
        yield Finding("above full scale", FAULT, found.peak, 1.0, words)
    if found.dc > MOST_DC:
        words = f"DC offset: {100 * found.dc:.1f} % of its RMS"
        yield Finding("dc", FAULT, found.dc, MOST_DC, words)
    if found.gaps:
        count = f"{found.gaps:.0f} {'gap' if found.gaps == 1 else 'gaps'}"
        yield Finding("gaps", FAULT, found.gaps, 0.0, f"{count} of digital silence, begun in full sound")


def integer_scale(peak: float) -> str:
    """In words, of a file whose largest sample is above ``WHOLE_NUMBERS``."""
    return (
        f"its samples go up to {peak:.6g} ({20 * np.log10(peak):+.0f} dBFS) where full scale is 1; divide them by the full scale "
        "that they were written at (32768 of 16 bits)"
    )


def _channels(found: Measures) -> Iterator[Finding]:
    if found.uneven_db < MOST_UNEVEN_DB:
        words = (
            f"one channel is {-found.uneven_db:.0f} dB below the other"
            if found.uneven_db > -90
            else "one channel is silent"
        )
        yield Finding("one channel", FAULT, found.uneven_db, MOST_UNEVEN_DB, words)
    elif found.cancelling_db < MOST_CANCELLING_DB:
        words = f"channels cancel: one is inverted, their mean is {-found.cancelling_db:.0f} dB below them"
        yield Finding("channels cancel", FAULT, found.cancelling_db, MOST_CANCELLING_DB, words)
    elif found.apart_db < EQUAL_CHANNELS_DB:
        words = "mono in stereo: its channels are equal"
        yield Finding("mono in stereo", NOTE, found.apart_db, EQUAL_CHANNELS_DB, words)


def _stated(found: Measures, sample_rate: int, coding: str) -> Iterator[Finding]:
    if found.edge_db > LEAST_EDGE_DB and found.bandwidth_hz < HIGHEST_EDGE * sample_rate / 2:
        khz, all_khz = found.bandwidth_hz / 1000, sample_rate / 2000
        words = f"band-limited: ends at {khz:.1f} kHz of {all_khz:.1f}, where it falls by {found.edge_db:.0f} dB"
        yield Finding("bandwidth", FAULT, found.bandwidth_hz, HIGHEST_EDGE * sample_rate / 2, words)
    stated = STATED_BITS.get(coding, float("nan"))
    if found.bits <= min(stated, MOST_BITS) - LEAST_BITS_LOST:
        words = f"{found.bits:.0f} bits in a file of {stated:.0f}"
        yield Finding("bit depth", FAULT, found.bits, stated, words)
