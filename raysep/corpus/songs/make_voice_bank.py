"""Make the bank of sung notes in ``voice/``. Run once by a maintainer, never by a user.

The singing synthesiser needs a C++ compiler, so it lives in a throw-away environment and only its output ships::

    python3 -m venv bank-venv && bank-venv/bin/pip install "setuptools<81" pysinsy==0.0.5 numpy scipy soundfile soxr
    bank-venv/bin/python raysep/corpus/songs/make_voice_bank.py raysep/corpus/songs/voice

Every note is cut out, its own vibrato and drift are warped away (so that ``singer.py`` has full control of the pitch),
its level is evened out, and its landmarks go into ``bank.json``: where the vowel starts and which part may be looped.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

RATE = 44_100  # Hz, of the bank
SINGERS = {"bright": 0.49, "plain": 0.53, "warm": 0.565, "dark": 0.60}  # the all-pass constant: moves the formants
PITCHES = (62, 64, 66, 68, 70, 72, 74, 76)  # MIDI; a note below D4, alone between rests, is whispered
SYLLABLES = {
    "a": "あ", "ra": "ら", "na": "な", "ta": "た", "sa": "さ",
    "i": "い", "ki": "き", "mi": "み",
    "u": "う", "ru": "る", "tsu": "つ",
    "e": "え", "te": "て", "ne": "ね",
    "o": "お", "mo": "も", "yo": "よ", "ko": "こ",
}  # fmt: skip
STEADY = 0.42  # seconds of vowel kept after its onset
CONSONANT_MOST = 0.14  # seconds kept before the vowel
LEVEL = 0.10  # RMS of the vowel


def score(pitch: int, kana: list[str]) -> str:
    """MusicXML at 60 beats a minute: in every bar a rest of 1 s, a sung note of 1 s, a rest of 2 s."""
    step, alter = [("C", 0), ("C", 1), ("D", 0), ("D", 1), ("E", 0), ("F", 0), ("F", 1), ("G", 0), ("G", 1), ("A", 0),
                   ("A", 1), ("B", 0)][pitch % 12]  # fmt: skip
    height = f"<step>{step}</step><alter>{alter}</alter><octave>{pitch // 12 - 1}</octave>"
    bars = []
    for number, syllable in enumerate(kana, 1):
        start = (
            "<attributes><divisions>1</divisions><key><fifths>0</fifths></key>"
            "<time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
            '<direction><sound tempo="60"/></direction>'
            if number == 1
            else ""
        )
        bars.append(
            f'<measure number="{number}">{start}<note><rest/><duration>1</duration></note>'
            f"<note><pitch>{height}</pitch><duration>1</duration><lyric><text>{syllable}</text></lyric></note>"
            f"<note><rest/><duration>2</duration></note></measure>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="2.0"><part-list><score-part id="P1">'
        f'<part-name>voice</part-name></score-part></part-list><part id="P1">{"".join(bars)}</part></score-partwise>'
    )


def periodicity(audio: np.ndarray, low: float = 130.0, high: float = 900.0) -> tuple[float, float]:
    """Fundamental in Hz of ``(time,)`` by autocorrelation, and the normalised peak (1 = perfectly periodic)."""
    size = 1 << (2 * len(audio) - 1).bit_length()
    power = np.abs(np.fft.rfft(audio, size)) ** 2
    lag = np.arange(int(RATE / high), int(RATE / low))
    energy = np.concatenate([[0.0], np.cumsum(audio**2)])
    overlap = np.sqrt(energy[len(audio) - lag] * (energy[-1] - energy[lag]))
    match = np.fft.irfft(power, size)[lag] / (overlap + 1e-12)
    peaks = np.flatnonzero((match[1:-1] >= match[:-2]) & (match[1:-1] > match[2:])) + 1
    if not len(peaks):
        return low, 0.0
    best = peaks[match[peaks] > 0.97 * match[peaks].max()][0]  # the shortest of the equally good periods
    before, here, after = match[best - 1 : best + 2]
    return RATE / (lag[best] + 0.5 * (before - after) / (before - 2 * here + after)), float(here)


def smooth(signal: np.ndarray, seconds: float) -> np.ndarray:
    """Twice a running mean: a triangular window of about ``seconds`` between its half heights."""
    from scipy.ndimage import uniform_filter1d

    width = max(1, int(seconds * RATE))
    return uniform_filter1d(uniform_filter1d(signal, width), width)


def instantaneous_pitch(audio: np.ndarray, frequency: float) -> tuple[np.ndarray, np.ndarray]:
    """Hz ``(time,)`` of the fundamental near ``frequency``, smoothed over 25 ms, and its amplitude ``(time,)``."""
    from scipy.fft import next_fast_len
    from scipy.signal import butter, hilbert, sosfiltfilt

    band = butter(2, [frequency * 0.7, frequency * 1.4], btype="band", fs=RATE, output="sos")
    analytic = hilbert(sosfiltfilt(band, audio), next_fast_len(len(audio)))[: len(audio)]
    amplitude = np.abs(analytic)
    turn = np.angle(analytic[1:] * np.conj(analytic[:-1])) * RATE / (2 * np.pi)
    weight = amplitude[1:] + 1e-9  # a moment without a fundamental has no say in the average
    pitch = smooth(turn * weight, 0.025) / smooth(weight, 0.025)
    return np.append(pitch, pitch[-1]), smooth(amplitude, 0.008)


def flatten(audio: np.ndarray, near: float) -> tuple[np.ndarray, float]:
    """Warp time so that the fundamental stays at the note's own median, and that median in Hz.

    Alone between two rests the synthesiser may sing sharp by three semitones or flat by five: the note is kept as sung and filed
    under its true pitch, because a stronger warp would also move the formants.
    """
    from scipy.interpolate import CubicSpline

    pitch, amplitude = instantaneous_pitch(audio, near)
    frequency = float(np.median(pitch[amplitude > 0.5 * np.percentile(amplitude, 95)]))
    voiced = np.clip(amplitude / (0.25 * np.percentile(amplitude, 90)), 0, 1)
    ratio = 1 + voiced * (np.clip(pitch / frequency, 0.8, 1.25) - 1)
    position = np.concatenate([[0.0], np.cumsum(ratio)])[:-1]  # output time of every input sample
    reads = np.interp(np.arange(int(position[-1])), position, np.arange(len(audio)))
    return CubicSpline(np.arange(len(audio)), audio)(reads), frequency


def landmarks(audio: np.ndarray, frequency: float) -> tuple[int, int]:
    """(first sample kept, vowel onset) of a note ``(time,)`` with silence around it.

    The vowel has begun where both the level and the fundamental have come near what they are later on.
    """
    level = np.sqrt(np.maximum(smooth(audio**2, 0.008), 0))
    _, fundamental = instantaneous_pitch(audio, frequency)
    sung = fundamental > 0.5 * np.percentile(fundamental, 75)
    middle = int(np.flatnonzero(sung)[int(0.6 * sung.sum())])
    full = np.median(level[middle - RATE // 10 : middle + RATE // 10])
    steady = np.median(fundamental[middle - RATE // 10 : middle + RATE // 10])
    weak = (level < 0.6 * full) | (fundamental < 0.6 * steady)
    onset = int(np.flatnonzero(weak[:middle])[-1]) + 1
    audible = np.flatnonzero(level[:onset] > 0.02 * full)
    first = int(audible[0]) if len(audible) else onset
    return max(first, onset - int(CONSONANT_MOST * RATE)), onset


def cut(song: np.ndarray, bar: int) -> tuple[np.ndarray, int, float] | None:
    """One note ``(time,)`` at an even level and pitch, the sample at which its vowel starts, and its pitch in Hz.

    None when the synthesiser did not hold one pitch; the singer then uses a neighbour.
    """
    from scipy.signal import butter, sosfiltfilt

    nominal = int((4 * bar + 1) * RATE)
    near, _ = periodicity(song[nominal + RATE // 2 : nominal + int(0.85 * RATE)])
    rumble = butter(4, 0.6 * near, btype="high", fs=RATE, output="sos")  # plosives come with a thump below the voice
    piece = sosfiltfilt(rumble, song[nominal - RATE // 4 : nominal + int(1.3 * RATE)])
    piece, frequency = flatten(piece, near)
    first, onset = landmarks(piece, frequency)
    note = piece[first : onset + int(STEADY * RATE)].copy()
    onset -= first
    note *= LEVEL / np.sqrt(np.mean(note[onset + RATE // 10 :] ** 2))
    ramp = min(int(0.004 * RATE), len(note))
    note[:ramp] *= np.linspace(0, 1, ramp)
    sung, match = periodicity(note[onset + RATE // 10 :])
    steady = abs(12 * np.log2(sung / frequency)) < 0.1 and match > 0.95
    calm = np.abs(note).max() < 0.75  # its filters sometimes burst
    return (note, onset, frequency) if steady and calm else None


def loop_of(note: np.ndarray, onset: int, frequency: float) -> int:
    """Start of the loop: its length to the end of the note is a whole number of periods, its ends match best."""
    period = RATE / frequency
    cross = int(0.04 * RATE)
    tail = note[-cross:]
    best, chosen = -2.0, len(note) // 2
    for turns in range(int(0.2 * RATE / period), int((len(note) - cross - onset - 0.08 * RATE) / period)):
        start = len(note) - cross - round(turns * period)
        head = note[start : start + cross]
        match = float(head @ tail / np.sqrt((head @ head) * (tail @ tail) + 1e-12))
        if match > best:
            best, chosen = match, start
    return chosen


def main(folder: Path) -> None:
    import pysinsy
    import soundfile
    import soxr

    voice = pysinsy.sinsy.Sinsy()
    voice.setLanguages("j", pysinsy.get_default_dic_dir())
    voice.loadVoices(pysinsy.get_default_htsvoice())
    folder.mkdir(parents=True, exist_ok=True)
    index: dict = {"sample_rate": RATE, "crossfade": int(0.04 * RATE), "notes": []}
    for singer, alpha in SINGERS.items():
        voice.setAlpha(alpha)
        track, at = [], 0
        for pitch in PITCHES:
            with tempfile.NamedTemporaryFile("w", suffix=".xml", encoding="utf-8") as file:
                file.write(score(pitch, list(SYLLABLES.values())))
                file.flush()
                voice.loadScoreFromMusicXML(file.name)
                raw, rate = voice.synthesize()
                voice.clearScore()
            song = soxr.resample(np.asarray(raw, dtype=np.float64) / 32768, rate, RATE, quality="VHQ")
            for bar, syllable in enumerate(SYLLABLES):
                found = cut(song, bar)
                if found is None:
                    continue
                note, onset, frequency = found
                index["notes"].append(
                    {"singer": singer, "syllable": syllable, "hertz": round(frequency, 3), "start": at,
                     "frames": len(note), "onset": onset, "loop": loop_of(note, onset, frequency)}
                )  # fmt: skip
                track.append(note)
                at += len(note)
        audio = np.concatenate(track).astype(np.float32)
        with soundfile.SoundFile(
            folder / f"{singer}.ogg", "w", RATE, 1, format="OGG", subtype="VORBIS", compression_level=0.62
        ) as file:
            for start in range(0, len(audio), 65_536):  # libsndfile cannot take minutes of Vorbis in one write
                file.write(audio[start : start + 65_536])
        print(
            singer,
            len(index["notes"]),
            "notes so far,",
            round(len(audio) / RATE, 1),
            "s,",
            (folder / f"{singer}.ogg").stat().st_size,
            "bytes",
        )
    (folder / "bank.json").write_text(json.dumps(index, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
