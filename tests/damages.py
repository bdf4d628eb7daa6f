"""A corpus of two hundred files in nine formats, thirty of which are damaged, each in another way, and what is to become of each."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raysep.audio.files import encode

RATE = 16_000
TRACKS = 50
LABELS = ("vocals", "drums", "bass", "other")
FORMATS: dict[str, tuple[str, str]] = {  # extension → libsndfile's format and subtype
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "au": ("AU", "PCM_16"),
}
ID3 = b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048)
SCORED, SILENT, FAILED = "scored", "silent", "failed"
Change = Callable[[bytes, np.ndarray], bytes]  # (the whole file, its samples (channel, time)) → the damaged file


@dataclass(frozen=True)
class Damage:
    """What is done to one file of a track, and what becomes of it."""

    name: str
    extension: str
    change: Change
    outcome: str = FAILED
    words: str = ""  # of the message, as a regular expression
    uneven: bool = False  # by its header it is not of its track's length or rate: to clean, all of the track fails


def at(mark: bytes, behind: int, packing: str, value: int) -> Change:
    """A number of the header replaced."""

    def change(data: bytes, audio: np.ndarray) -> bytes:
        changed = bytearray(data)
        struct.pack_into(packing, changed, changed.find(mark) + behind, value)
        return bytes(changed)

    return change


def cut(share: float) -> Change:
    return lambda data, audio: data[: int(len(data) * share)]


def again(of: Callable[[np.ndarray], np.ndarray], rate: int = RATE, subtype: str = "PCM_16") -> Change:
    """Other samples in a WAV that is as it should be."""
    return lambda data, audio: encode(of(audio).astype(np.float32), rate, "WAV", subtype)


def zeros_in_the_middle(data: bytes, audio: np.ndarray) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(200) + data[middle + 200 :]


def flac_of(frames: int) -> Change:
    """A FLAC that states so many samples; 0 is what is written to a pipe."""

    def change(data: bytes, audio: np.ndarray) -> bytes:
        stated = bytearray(data)
        stated[21] &= 0xF0
        stated[22:26] = frames.to_bytes(4, "big")
        stated[26:42] = bytes(16)
        return bytes(stated)

    return change


def spoilt(value: float) -> Change:
    def change(audio: np.ndarray) -> np.ndarray:
        audio = audio.copy()
        audio[0, 100] = value
        return audio

    return again(change, subtype="FLOAT")


UNEVEN = "the track's"
NO_AUDIO, CUT, MORE = "not audio that can be read", "truncated", r"holds \d+ samples .*, but states"
HTML = b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n" * 20
DAMAGES = (
    Damage("an empty file", "wav", lambda data, audio: b"", FAILED, NO_AUDIO),
    Damage("text", "wav", lambda data, audio: b"this is no audio\n" * 99, FAILED, NO_AUDIO),
    Damage("cut in the middle", "wav", cut(0.5), FAILED, CUT),
    Damage("a header alone", "wav", lambda data, audio: data[:44], FAILED, f"{CUT}|holds no samples"),
    Damage("no channels", "wav", at(b"fmt ", 10, "<H", 0), FAILED, NO_AUDIO),
    Damage("no samples", "wav", again(lambda audio: audio[:, :0]), FAILED, "holds no samples"),
    Damage("half stated", "wav", at(b"data", 4, "<I", RATE), FAILED, MORE, True),
    Damage("an unknown length", "wav", at(b"data", 4, "<I", 0), SCORED),
    Damage("no number", "wav", spoilt(np.nan), FAILED, "not finite"),
    Damage("an infinity", "wav", spoilt(np.inf), FAILED, "not finite"),
    Damage("digital silence", "wav", again(lambda audio: 0 * audio), SILENT),
    Damage("another rate", "wav", again(lambda audio: audio[:, ::2], RATE // 2), SCORED, "", True),
    Damage("half a second more", "wav", again(lambda x: np.pad(x, ((0, 0), (0, RATE // 2)))), SCORED, "", True),
    Damage("a few samples less", "wav", again(lambda audio: audio[:, :-500]), SCORED),
    Damage("a tag behind", "wav", lambda data, audio: data + ID3, SCORED),
    Damage("a FLAC by that name", "wav", lambda data, audio: encode(audio, RATE, "FLAC"), SCORED),
    Damage("cut in the middle", "flac", cut(0.5), FAILED, CUT),
    Damage("zeros in the middle", "flac", zeros_in_the_middle, FAILED, "truncated or damaged"),
    Damage("an unknown length", "flac", flac_of(0), SCORED),
    Damage("half stated", "flac", flac_of(RATE // 2), FAILED, MORE, True),
    Damage("a tag in front", "flac", lambda data, audio: ID3 + data, SCORED),
    Damage("cut in the middle", "ogg", cut(0.6), FAILED, CUT),
    Damage("two in a row", "ogg", lambda data, audio: data + data, FAILED, "2 streams in a row"),
    Damage("cut in the middle", "opus", cut(0.6), FAILED, f"{CUT}|malformed"),
    Damage("cut in the middle", "mp3", cut(0.5), FAILED, CUT),
    Damage("a page of a server", "mp3", lambda data, audio: HTML, FAILED, NO_AUDIO),
    Damage("more counted than held", "aiff", at(b"COMM", 10, ">I", 4 * RATE), FAILED, CUT, True),
    Damage("cut in the middle", "w64", cut(0.5), FAILED, CUT),
    Damage("an unknown length", "caf", at(b"data", 4, ">q", -1), SCORED),
    Damage("cut in the middle", "au", cut(0.5), FAILED, CUT),
)


def audio_of(track: int, label: str) -> np.ndarray:
    """``(channel, time)``: a second of mono noise at -20 dBFS, another in every file."""
    rng = np.random.default_rng([track, LABELS.index(label)])
    return (0.1 * rng.standard_normal((1, RATE))).astype(np.float32)


@dataclass(frozen=True)
class File:
    """One of the corpus."""

    track: str
    label: str
    path: Path
    whole: bytes  # as it was
    damage: Damage | None = None

    @property
    def stem_id(self) -> str:
        return f"{self.track}/{self.label}"

    def alone(self) -> tuple[str, str]:
        """(outcome, words of its message), as a file that is listened to by itself."""
        return (self.damage.outcome, self.damage.words) if self.damage else (SCORED, "")

    def in_track(self, of_track: Damage | None) -> tuple[str, str]:
        """The same as a stem of a track, of which one file has that damage."""
        return (FAILED, UNEVEN) if of_track and of_track.uneven else self.alone()


def write(folder: Path) -> list[File]:
    """All of them; the first tracks have a damaged file each."""
    files = []
    endings = [damage.extension for damage in DAMAGES]
    endings += [list(FORMATS)[k % len(FORMATS)] for k in range(TRACKS - len(DAMAGES))]
    for number, extension in enumerate(endings):
        damage = DAMAGES[number] if number < len(DAMAGES) else None
        victim = LABELS[number % len(LABELS)]
        for label in LABELS:
            track, audio = f"track-{number:02d}", audio_of(number, label)
            whole = encode(audio, RATE, *FORMATS[extension])
            own = damage if label == victim else None
            path = folder / track / f"{label}.{extension}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(own.change(whole, audio) if own else whole)
            files.append(File(track, label, path, whole, own))
    return files
