"""The samples of a file that is not a plain copy: spans muted, parts added up, the result encoded."""

from __future__ import annotations

import numpy as np

from raysep.audio.channels import as_channels
from raysep.audio.files import decode, encode
from raysep.commands.export.plan import File, Shape
from raysep.corpus import storage
from raysep.corpus.reading import read_stem
from raysep.errors import AudioError, BadInput
from raysep.training.entry import Entry, Spans

FADE_SECONDS = 0.01
# Of a WAV that holds every step of the source; what is lossy, or finer, becomes floating point.
DEPTHS = {"PCM_U8": "PCM_16", "PCM_S8": "PCM_16", "PCM_16": "PCM_16", "PCM_24": "PCM_24"}
ORDER = ("PCM_16", "PCM_24", "FLOAT")


def content(file: File) -> bytes:
    """The file's bytes. Raises ``AudioError`` naming the source that cannot be read."""
    container, subtype = encoding(file)
    rate = file.shape.sample_rate if file.shape else file.parts[0].stem.sample_rate
    audio = samples(file)
    if container == "WAV" and np.abs(audio).max(initial=0.0) > 1:
        subtype = "FLOAT"  # nothing is cut in silence
    return encode(audio, rate, container, subtype)


def samples(file: File) -> np.ndarray:
    """``(channel, time)`` float32, before it is encoded."""
    if file.mixed and file.shape:
        return _sum([_as_written(each) for each in file.mixed], file.shape)
    pieces = [muted(entry) for entry in file.parts]
    return _sum(pieces, file.shape) if file.shape else pieces[0]


def encoding(file: File) -> tuple[str, str]:
    """(container, subtype) as libsndfile names them: of the source, or the WAV that holds all of its steps."""
    if not file.wav:
        container, _, subtype = file.parts[0].stem.format.partition("/")
        return container, subtype
    inner = [encoding(each)[1] for each in file.mixed] or [_depth(entry) for entry in file.parts]
    return "WAV", max(inner, key=ORDER.index, default=ORDER[0])


def check_encoding(file: File) -> None:
    """Raise ``BadInput`` where a muted stem cannot be written as its source is."""
    import soundfile

    if file.text is None and not file.as_is and not file.wav:
        container, subtype = encoding(file)
        try:
            possible = soundfile.check_format(container, subtype)
        except (ValueError, TypeError):
            possible = False
        if not possible:
            raise BadInput(
                f"{file.parts[0].stem.uri}: has spans that are left out, and {container}/{subtype} cannot be written; --form msst "
                "or musdb writes WAV"
            )


def _depth(entry: Entry) -> str:
    """Of a sum of files only the first one's steps are known, so it is written in floating point."""
    if entry.stem.parts:
        return "FLOAT"
    container, _, subtype = entry.stem.format.partition("/")
    return (
        DEPTHS.get(subtype, "FLOAT")
        if container in ("WAV", "FLAC", "AIFF", "W64", "RF64", "CAF", "AU", "WAVEX")
        else "FLOAT"
    )


def _as_written(file: File) -> np.ndarray:
    if file.as_is:
        return muted(file.parts[0])
    return decode(content(file), file.path)


def _sum(pieces: list[np.ndarray], shape: Shape) -> np.ndarray:
    total = np.zeros((shape.channels, shape.frames))
    for piece in pieces:
        total[:, : piece.shape[1]] += as_channels(piece, shape.channels)
    return total.astype(np.float32)


def muted(entry: Entry) -> np.ndarray:
    """The stem ``(channel, time)`` at its own rate, its spans silent."""
    stem = entry.stem
    return mute(read_stem(stem, stem.sample_rate, stem.channels), entry.spans, stem.sample_rate)


def mute(audio: np.ndarray, spans: Spans, sample_rate: int) -> np.ndarray:
    """``(channel, time)`` with nothing of the spans in it; the fades lie outside, so that nothing of a fault is left."""
    gain = np.ones(audio.shape[1], dtype=np.float32)
    length = round(FADE_SECONDS * sample_rate)
    fade = (0.5 * (1 + np.cos(np.pi * (np.arange(length) + 1) / (length + 1)))).astype(np.float32)  # 1 → 0
    for start, stop in spans:
        first, last = (min(len(gain), round(seconds * sample_rate)) for seconds in (start, stop))
        gain[first:last] = 0
        before = gain[max(0, first - length) : first]
        np.minimum(before, fade[length - len(before) :], out=before)
        after = gain[last : last + length]
        np.minimum(after, fade[::-1][: len(after)], out=after)
    return audio * gain


def readable(uri: str) -> None:
    """Raise ``AudioError`` where a file is not there or may not be read: then an error while copying is the output's."""
    try:
        with storage.open_random(uri) as stream:
            stream.read(1)
    except OSError as error:
        raise AudioError(f"{uri}: cannot be read ({error})") from error
