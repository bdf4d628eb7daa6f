"""The ten faults of the simulator, each a pure function on the stems of one track.

Every fault has the signature ``fault(stems, target, severity, sample_rate, rng, partner) -> Changes``:
``stems`` maps label → float32 ``(channel, time)``, all of one shape; ``partner`` names the second stem of
``swap`` and ``merge`` (drawn when None). It returns the stems it touched, and for each what was done to it (JSON-able).
Inputs are never written to. All faults are computed from the stems as given, so two faults on two stems of a track
do not depend on their order. Levels are dB; *relative* ones refer to the RMS of the stem that is hit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from raysep.audio.files import decode, encode
from raysep.audio.levels import SILENCE_DBFS, is_audible
from raysep.audio.resample import resample
from raysep.errors import BadInput

Stems = Mapping[str, np.ndarray]
Changes = dict[str, tuple[np.ndarray, dict]]

SEVERITIES = ("mild", "medium", "strong")
STRONGEST = SEVERITIES[-1]

BLEED_GAIN_DB = {"mild": (-30.0, -21.0), "medium": (-21.0, -12.0), "strong": (-12.0, -3.0)}  # relative to the stem hit
BLEED_DELAY_S = (0.0, 0.030)
BLEED_CUTOFF_HZ = (1_000.0, 8_000.0)
NOISE_SNR_DB = {"mild": 20.0, "medium": 14.0, "strong": 8.0}
NOISE_TILT = (0.0, 1.5)  # power falls as 1/frequency**tilt: 0 is white, 1 is pink
CLIPPED_SHARE = {"mild": (0.01, 0.02), "medium": (0.03, 0.06), "strong": (0.08, 0.15)}  # of the audible samples
LOWPASS_CUTOFF = {"mild": (0.45, 0.60), "medium": (0.25, 0.40), "strong": (0.10, 0.20)}  # of the Nyquist frequency
DROPOUT_SHARE = {"mild": 0.05, "medium": 0.15, "strong": 0.30}  # of the audible time
DROPOUT_SECONDS = (0.05, 0.50)
DELAY_SECONDS = {"mild": (0.040, 0.070), "medium": (0.070, 0.110), "strong": (0.110, 0.150)}
CODEC_LEVEL = {"mild": (0.50, 0.70), "medium": (0.90, 0.95), "strong": (0.90, 0.95)}  # 1 = smallest file
CODEC_PASSES = {"mild": 1, "medium": 2, "strong": 2}  # two: transcoded from one codec to the other
CODEC_RATE = {"mild": 1, "medium": 1, "strong": 2}  # what the sample rate is divided by
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

FRAME_SECONDS = 0.05  # for finding where a stem is audible


# two stems of a track --------------------------------------------------------------------------------------------


def swap(
    stems: Stems, target: str, severity: str, sample_rate: int, rng: np.random.Generator, partner: str | None = None
) -> Changes:
    """Two stems of the track exchange their labels. It has one strength, whatever the severity."""
    partner = partner or _draw_other(stems, target, rng)
    return {
        target: (stems[partner].copy(), {"partner": partner}),
        partner: (stems[target].copy(), {"partner": target}),
    }


def merge(
    stems: Stems, target: str, severity: str, sample_rate: int, rng: np.random.Generator, partner: str | None = None
) -> Changes:
    """``partner`` is added into ``target`` and leaves silence in its own slot: a wrong grouping of instruments."""
    partner = partner or _draw_other(stems, target, rng)
    return {
        target: (stems[target] + stems[partner], {"role": "receiver", "partner": partner}),
        partner: (np.zeros_like(stems[partner]), {"role": "emptied", "partner": target}),
    }


# bleed -----------------------------------------------------------------------------------------------------------


def bleed_one(
    stems: Stems, target: str, severity: str, sample_rate: int, rng: np.random.Generator, partner: str | None = None
) -> Changes:
    """One other stem leaks into the target: delayed, low-passed and attenuated."""
    source = partner or _draw_other(stems, target, rng)
    return {target: _leak(stems, target, (source,), severity, sample_rate, rng)}


def bleed_all(
    stems: Stems, target: str, severity: str, sample_rate: int, rng: np.random.Generator, partner: str | None = None
) -> Changes:
    """Every stem of the track receives all the others, each over a path of its own: a live room."""
    return {
        label: _leak(stems, label, tuple(o for o in sorted(stems) if o != label), severity, sample_rate, rng)
        for label in sorted(stems)
    }


def _leak(
    stems: Stems, target: str, sources: tuple[str, ...], severity: str, sample_rate: int, rng: np.random.Generator
) -> tuple[np.ndarray, dict]:
    """The target plus the sources' leak, at the drawn gain relative to the target (to the sources, if it is silent)."""
    from scipy.signal import butter, sosfilt

    clean = stems[target]
    gain_db = rng.uniform(*BLEED_GAIN_DB[severity])
    leak, paths = np.zeros_like(clean), {}
    for source in sources:
        delay = rng.uniform(*BLEED_DELAY_S)
        cutoff = min(rng.uniform(*BLEED_CUTOFF_HZ), 0.9 * sample_rate / 2)
        path = butter(2, cutoff, fs=sample_rate, output="sos").astype(np.float32)
        leak += sosfilt(path, _shifted(stems[source], round(delay * sample_rate)), axis=-1)
        paths[source] = {"delay_s": round(delay, 4), "cutoff_hz": round(cutoff, 1)}
    level = _rms(clean) if is_audible(clean) else _rms(leak)
    leak *= np.float32(10 ** (gain_db / 20) * level / max(_rms(leak), 1e-12))
    return clean + leak, {"bleed_db": round(gain_db, 3), "sources": paths}


# one stem --------------------------------------------------------------------------------------------------------


def clip(
    stems: Stems, target: str, severity: str, sample_rate: int, rng: np.random.Generator, partner: str | None = None
) -> Changes:
    """The loudest samples are cut flat, then the level is made up, so that loudness alone gives nothing away."""
    clean = stems[target]
    share = rng.uniform(*CLIPPED_SHARE[severity])
    audible = _audible_samples(clean, sample_rate)
    if not audible.any():
        return {}
    threshold = float(np.quantile(np.abs(clean[:, audible]), 1.0 - share))
    flat = np.clip(clean, -threshold, threshold)
    makeup = _rms(clean) / max(_rms(flat), 1e-12)
    made_up = float(20 * np.log10(max(makeup, 1e-12)))
    parameters = {"clipped_share": round(share, 5), "threshold": round(threshold, 5), "makeup_db": round(made_up, 3)}
    return {target: (flat * np.float32(makeup), parameters)}


def noise(
    stems: Stems, target: str, severity: str, sample_rate: int, rng: np.random.Generator, partner: str | None = None
) -> Changes:
    """Stationary noise, white to darker than pink, over the whole stem at the severity's signal-to-noise ratio."""
    clean = stems[target]
    tilt = rng.uniform(*NOISE_TILT)
    hiss = _coloured_noise(clean.shape, tilt, sample_rate, rng)
    snr_db = NOISE_SNR_DB[severity]
    hiss *= np.float32(_rms(clean) / 10 ** (snr_db / 20) / max(_rms(hiss), 1e-12))
    return {target: (clean + hiss, {"snr_db": snr_db, "tilt": round(tilt, 3)})}


def lowpass(
    stems: Stems, target: str, severity: str, sample_rate: int, rng: np.random.Generator, partner: str | None = None
) -> Changes:
    """A steep low-pass without phase shift, as left behind by a lower sample rate or an old codec."""
    from scipy.signal import butter, sosfiltfilt

    cutoff = rng.uniform(*LOWPASS_CUTOFF[severity])
    clean = stems[target]
    sections = butter(6, cutoff, output="sos")
    reach = min(clean.shape[-1] - 1, 3 * (2 * len(sections) + 1))  # filtfilt cannot pad by more than it has
    dull = np.stack([sosfiltfilt(sections, channel, padlen=reach) for channel in clean]).astype(np.float32)
    return {target: (dull, {"cutoff_hz": round(cutoff * sample_rate / 2, 1)})}


def dropout(
    stems: Stems, target: str, severity: str, sample_rate: int, rng: np.random.Generator, partner: str | None = None
) -> Changes:
    """Abrupt gaps of digital silence that begin where the stem is audible."""
    clean = stems[target]
    audible = _audible_samples(clean, sample_rate)
    starts = np.flatnonzero(audible)
    if not len(starts):
        return {}
    wanted = DROPOUT_SHARE[severity] * len(starts)
    keep = np.ones(clean.shape[-1], dtype=bool)
    gaps = lost = 0
    while lost < wanted:  # gaps may overlap, and may run into silence: count what was lost of the audible part
        first = int(starts[rng.integers(len(starts))])
        seconds = min(rng.uniform(*DROPOUT_SECONDS), max((wanted - lost) / sample_rate, DROPOUT_SECONDS[0]))
        gap = slice(first, first + max(1, round(seconds * sample_rate)))
        gaps += bool(keep[first])
        lost += int(np.count_nonzero(audible[gap] & keep[gap]))
        keep[gap] = False
    share = float(lost / len(starts))
    return {target: (clean * keep, {"gaps": gaps, "audible_share": round(share, 4)})}


def codec(
    stems: Stems, target: str, severity: str, sample_rate: int, rng: np.random.Generator, partner: str | None = None
) -> Changes:
    """There and back through MP3 or Vorbis, or both, at a low quality; same length, same alignment."""
    clean = stems[target]
    level = rng.uniform(*CODEC_LEVEL[severity])
    rate = _codec_rate(sample_rate, CODEC_RATE[severity])
    codecs = [("MP3", "MPEG_LAYER_III") if rate in MP3_RATES else ("OGG", "VORBIS"), ("OGG", "VORBIS")]
    passes = [codecs[i] for i in rng.permutation(2)[: CODEC_PASSES[severity]]]
    # Both encoders know mono and stereo only for certain: more channels go through one by one.
    groups = [clean] if len(clean) <= 2 else [clean[i : i + 1] for i in range(len(clean))]
    coded = np.concatenate([_there_and_back(group, sample_rate, rate, passes, level) for group in groups])
    names = [subtype.lower() for _, subtype in passes]
    return {target: (coded, {"codecs": names, "level": round(level, 3), "sample_rate": rate})}


def delay(
    stems: Stems, target: str, severity: str, sample_rate: int, rng: np.random.Generator, partner: str | None = None
) -> Changes:
    """The stem comes late against its track; what runs over the end is lost."""
    seconds = rng.uniform(*DELAY_SECONDS[severity])
    return {target: (_shifted(stems[target], round(seconds * sample_rate)), {"delay_s": round(seconds, 4)})}


FAULTS: dict[str, Callable[..., Changes]] = {
    "swap": swap,
    "merge": merge,
    "bleed-one": bleed_one,
    "bleed-all": bleed_all,
    "clip": clip,
    "noise": noise,
    "lowpass": lowpass,
    "dropout": dropout,
    "codec": codec,
    "delay": delay,
}
KINDS = tuple(FAULTS)
PAIRED = ("swap", "merge")  # touch two stems
WHOLE_TRACK = ("bleed-all",)  # touch all stems of the track


def check_choices(what: str, given: Sequence[str], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise BadInput(f"{what} {name!r}: choose from {', '.join(known)}")


# helpers ---------------------------------------------------------------------------------------------------------


def _draw_other(stems: Stems, target: str, rng: np.random.Generator) -> str:
    """Another label of the track, an audible one when there is any."""
    others = [label for label in sorted(stems) if label != target]
    audible = [label for label in others if is_audible(stems[label])]
    return str(rng.choice(audible or others))


def _rms(audio: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if audio.size else 0.0


def _shifted(audio: np.ndarray, samples: int) -> np.ndarray:
    """``(channel, time)`` later by ``samples``, same length, silence in front."""
    late = np.zeros_like(audio)
    late[:, samples:] = audio[:, : max(0, audio.shape[-1] - samples)]
    return late


def _audible_samples(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """``(time,)`` True where the 50-ms frame around the sample is not silent."""
    frame = max(1, round(FRAME_SECONDS * sample_rate))
    frames = -(-audio.shape[-1] // frame)
    power = np.zeros(frames * frame)
    power[: audio.shape[-1]] = np.mean(np.square(audio, dtype=np.float64), axis=0)
    loud = power.reshape(frames, frame).mean(axis=1) > 10 ** (SILENCE_DBFS / 10)
    return np.repeat(loud, frame)[: audio.shape[-1]]


def _coloured_noise(shape: tuple[int, ...], tilt: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise ``(channel, time)`` whose power falls as 1/f**tilt above 20 Hz; channels are independent."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    length = next_fast_len(shape[-1], real=True)
    spectrum = rfft(rng.standard_normal((*shape[:-1], length), dtype=np.float32), axis=-1)
    spectrum *= np.maximum(rfftfreq(length, 1 / sample_rate), 20.0).astype(np.float32) ** (-tilt / 2)
    return irfft(spectrum, length, axis=-1)[..., : shape[-1]].astype(np.float32)


def _codec_rate(sample_rate: int, divisor: int) -> int:
    rate = sample_rate // divisor
    return rate if rate >= 8_000 else sample_rate  # the encoders refuse less


def _there_and_back(
    audio: np.ndarray, sample_rate: int, rate: int, passes: list[tuple[str, str]], level: float
) -> np.ndarray:
    """``(channel, time)`` through the codecs at ``rate`` Hz, and back at ``sample_rate`` with its length."""
    coded = resample(audio, sample_rate, rate)
    for format, subtype in passes:
        coded = decode(encode(coded, rate, format, subtype, compression=level), f"a {subtype} round trip")
    back = resample(coded, rate, sample_rate)[:, : audio.shape[-1]]
    return np.pad(back, ((0, 0), (0, audio.shape[-1] - back.shape[-1])))
