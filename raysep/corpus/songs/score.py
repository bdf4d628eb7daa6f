"""What a song is before it sounds: notes in seconds, grouped into parts, grouped into stems."""

from __future__ import annotations

from dataclasses import dataclass

SYLLABLES = (
    "a", "ra", "na", "ta", "sa", "i", "ki", "mi", "u", "ru", "tsu", "e", "te", "ne", "o", "mo", "yo", "ko",
)  # fmt: skip
"""What the singers of the voice bank can pronounce; the last letter is the vowel."""


@dataclass(frozen=True)
class Note:
    start: float  # seconds
    duration: float  # seconds
    pitch: int  # MIDI number; of a drum kit: the General MIDI percussion key
    velocity: float  # 0…1


@dataclass(frozen=True)
class Sung:
    start: float  # seconds, of the vowel: the consonant comes before
    duration: float  # seconds
    pitch: int  # MIDI number
    syllable: str
    strength: float  # 0…1


@dataclass(frozen=True)
class Part:
    """One instrument."""

    program: int  # General MIDI, 0…127; a kit's number when ``drums``
    notes: tuple[Note, ...]
    pan: float = 0.5  # 0 left … 1 right
    gain: float = 0.0  # dB
    drums: bool = False


@dataclass(frozen=True)
class Voice:
    """Who sings and how."""

    singer: str
    register: float  # semitones by which the recording is lowered, formants and all
    vibrato_rate: float  # Hz
    vibrato_depth: float  # cents
    glide: float  # seconds
    pan: float = 0.5
    gain: float = 0.0  # dB
    detune: float = 0.0  # cents


@dataclass(frozen=True)
class Line:
    """One voice's notes, in time order and never two at once."""

    voice: Voice
    notes: tuple[Sung, ...]


@dataclass(frozen=True)
class Song:
    style: str
    tempo: float  # quarter notes a minute
    key: int  # pitch class of the tonic
    seconds: float
    tuning: float  # cents away from A = 440 Hz, the same for every stem
    drums: tuple[Part, ...]
    bass: tuple[Part, ...]
    other: tuple[Part, ...]
    vocals: tuple[Line, ...]
