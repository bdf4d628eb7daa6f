"""The mixing desk: level, tone, drive and room of every stem, and what they do to its sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raysep.corpus.songs.styles import Style

LEVELS = {"vocals": -19.0, "drums": -18.5, "bass": -20.5, "other": -20.0}  # dBFS, of the frames that sound
PEAK = 0.9  # of the mixture, and of every stem
FRAME = 0.05  # seconds
LOW_CUT = {"vocals": 90.0, "drums": 25.0, "bass": 25.0, "other": 60.0}  # Hz


@dataclass(frozen=True)
class Strip:
    """One channel of the desk."""

    level: float  # dBFS RMS of the sounding frames
    tilt: float  # dB an octave around 1 kHz
    bump: tuple[float, float]  # Hz, dB: a bell an octave wide
    low_cut: float  # Hz
    drive: float  # dB into a soft saturation, 0 for none
    wet: float  # dB of reverberation against the dry sound
    echo: tuple[float, float]  # seconds, dB; silent at -inf
    hiss: float  # dBFS of the preamplifier's noise, -inf for a purely digital stem; below what counts as audible
    seed: int  # of the hiss


@dataclass(frozen=True)
class Room:
    """A hall shared by the stems of a song."""

    decay: float  # seconds to -60 dB
    delay: float  # seconds before the first reflection
    damping: float  # Hz above which the tail dies faster
    seed: int


def mix(rng: np.random.Generator, style: Style, tempo: float) -> tuple[dict[str, Strip], Room]:
    """Draw the desk of one song."""
    wetness = {"vocals": -14.0, "drums": -19.0, "bass": -30.0, "other": -16.0}
    strips = {}
    for label, level in LEVELS.items():
        drive = {"bass": rng.uniform(0, 6), "other": style.drive * rng.uniform(0.3, 1.2)}.get(label, rng.uniform(0, 3))
        echo = (60 / tempo * float(rng.choice((0.5, 0.75))), float(rng.uniform(-20, -12)))
        strips[label] = Strip(
            level=level + float(rng.uniform(-3, 3)),
            tilt=float(rng.uniform(-1.2, 1.2)),
            bump=(float(np.exp(rng.uniform(np.log(200), np.log(5000)))), float(rng.uniform(-4, 4))),
            low_cut=LOW_CUT[label] * float(rng.uniform(0.8, 1.3)),
            drive=float(drive),
            wet=wetness[label] + float(rng.uniform(-5, 5)),
            echo=echo if label == "vocals" and rng.random() < 0.35 else (0.0, -np.inf),
            hiss=float(rng.uniform(-90, -70)) if rng.random() < 0.6 else -np.inf,
            seed=int(rng.integers(2**31)),
        )
    decay = float(np.exp(rng.uniform(np.log(0.35), np.log(2.2))))
    return strips, Room(
        decay, float(rng.uniform(0.005, 0.03)), float(rng.uniform(2500, 7000)), int(rng.integers(2**31))
    )


def process(audio: np.ndarray, strip: Strip, room: Room, sample_rate: int) -> np.ndarray:
    """One stem through its strip and into the room, float32 ``(2, time)``; a stem that never sounds is left alone."""
    loud = loudness(audio, sample_rate)
    if loud == -np.inf:
        return audio
    audio = audio * 10 ** ((-20 - loud) / 20)  # the drive acts on a known level
    if strip.drive > 0.5:
        gain = 10 ** (strip.drive / 20)
        audio = np.tanh(audio * gain) / gain
    audio = _filtered(audio, strip, room, sample_rate)
    audio = audio * 10 ** ((strip.level - loudness(audio, sample_rate)) / 20)
    if strip.hiss > -np.inf:
        audio += 10 ** (strip.hiss / 20) * np.random.default_rng(strip.seed).standard_normal(audio.shape)
    return audio.astype(np.float32)


def loudness(audio: np.ndarray, sample_rate: int) -> float:
    """RMS in dBFS over the frames within 30 dB of the loudest one, so that pauses do not count."""
    frame = max(1, int(FRAME * sample_rate))
    count = max(1, audio.shape[1] // frame)
    pieces = audio[:, : count * frame].reshape(audio.shape[0], count, -1)
    power = np.mean(np.square(pieces, dtype=np.float64), axis=(0, 2))
    if power.max() <= 1e-12:
        return -np.inf
    return float(10 * np.log10(np.mean(power[power > power.max() * 1e-3])))


def _filtered(audio: np.ndarray, strip: Strip, room: Room, sample_rate: int) -> np.ndarray:
    """Tone and room in one product of spectra, ``(2, time)``."""
    length = audio.shape[1]
    reflections = impulse(room, strip, sample_rate)
    size = _fast_length(length + reflections.shape[1])
    spectrum = np.fft.rfft(audio, size) * np.fft.rfft(reflections, size)
    spectrum *= tone(np.fft.rfftfreq(size, 1 / sample_rate), strip)
    return np.fft.irfft(spectrum, size)[:, :length]


def tone(frequency: np.ndarray, strip: Strip) -> np.ndarray:
    """Gain (linear, no phase) at every frequency in Hz."""
    octaves = np.log2(np.maximum(frequency, 20.0) / 1000)
    centre, height = strip.bump
    bell = height * np.exp(-0.5 * ((np.log2(np.maximum(frequency, 20.0) / centre)) / 0.5) ** 2)
    gain = 10 ** ((np.clip(strip.tilt * octaves, -6, 6) + bell) / 20)
    return gain / np.sqrt(1 + (strip.low_cut / np.maximum(frequency, 1.0)) ** 4)


def impulse(room: Room, strip: Strip, sample_rate: int) -> np.ndarray:
    """Impulse response ``(2, time)``: the dry sound, an echo, and noise that dies away and grows darker."""
    count = int((room.delay + room.decay) * sample_rate) + 1
    start = int(room.delay * sample_rate)
    time = np.arange(count - start) / sample_rate
    noise = np.random.default_rng([room.seed, sample_rate]).standard_normal((2, count - start))
    dark = np.fft.irfft(
        np.fft.rfft(noise) / np.sqrt(1 + (np.fft.rfftfreq(count - start, 1 / sample_rate) / room.damping) ** 2),
        count - start,
    )
    fade = np.exp(-6.9 * time / room.decay)  # -60 dB at ``decay``
    blend = np.exp(-time / (0.3 * room.decay))  # bright first, dark later
    tail = fade * (noise * blend + dark * (1 - blend))
    tail *= 10 ** (strip.wet / 20) / np.sqrt(np.sum(tail**2, axis=1, keepdims=True))
    delay, gain = strip.echo
    repeats = [(k, 10 ** (k * gain / 20)) for k in (1, 2)] if np.isfinite(gain) else []
    last = max([int(k * delay * sample_rate) for k, _ in repeats], default=0)
    response = np.zeros((2, max(count, last + 1)))
    response[:, start:count] += tail
    response[:, 0] += 1
    for k, level in repeats:
        response[:, int(k * delay * sample_rate)] += level
    return response


def balance(stems: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Lower all stems together until neither they nor their sum pass ``PEAK``."""
    loudest = max([np.abs(sum(stems.values())).max(), *(np.abs(audio).max() for audio in stems.values())])
    return {label: audio * np.float32(min(1.0, PEAK / max(loudest, 1e-9))) for label, audio in stems.items()}


def _fast_length(least: int) -> int:
    """The next length of the form 2^a 3^b 5^c: a fast Fourier transform of a prime length is slow."""
    best = 1 << (least - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            candidate = three * (1 << max(0, (-(-least // three) - 1).bit_length()))
            best = min(best, candidate) if candidate >= least else best
            three *= 3
        five *= 5
    return best
