"""A stem's samples in the form that networks want: float32, a given rate, a given number of channels."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import zip_longest
from operator import or_
from typing import TypeVar

import numpy as np

from raysep.audio import checksum, streams
from raysep.audio.channels import as_channels
from raysep.audio.files import decode, rate_of
from raysep.audio.resample import resample
from raysep.corpus import identity, manifest, segments, storage, tags
from raysep.corpus.manifest import Stem
from raysep.corpus.segments import Drawn
from raysep.errors import AudioError

T = TypeVar("T")


def read_stem(stem: Stem, sample_rate: int, channels: int = 2, remarks: list[str] | None = None) -> np.ndarray:
    """The whole stem as ``(channel, time)`` at ``sample_rate`` Hz. Raises ``AudioError`` naming the URI.

    A file that holds other bytes, or fewer samples, than the manifest says is an error, never another, a shorter or a
    silent stem. Of several parts it is the sum, each as long as the longest; the silence that the manifest adds follows.

    Given ``remarks``, what is odd about a file whose samples are all there is added to it: a FLAC whose MD5 does not hold,
    which takes a third of the time to decode it.
    """
    if stem.problem:
        raise AudioError(stem.problem)
    audio, content = _sum_of_parts(stem, remarks) if stem.parts else _read(stem.uri, remarks)[::2]
    if not stem.frames:  # the scan could not use it either: nothing has changed
        if not audio.shape[1]:
            raise AudioError(f"{stem.uri}: holds no samples; replace or remove the file")
        raise AudioError(f"{stem.uri}: could not be read when the corpus was scanned, but can be now; scan it again")
    if audio.shape != (stem.channels, stem.frames - stem.padding):
        raise AudioError(
            f"{stem.uri}: {audio.shape[0]} channels of {audio.shape[1]} samples, but the manifest says "
            f"{stem.channels} of {stem.frames - stem.padding}; the file changed since the scan: scan again into a new run"
        )
    check_content(stem, content)  # after the shape: what was cut off since is told as such
    if stem.padding:
        audio = np.pad(audio, ((0, 0), (0, stem.padding)))
    return as_channels(resample(audio, stem.sample_rate, sample_rate), channels)


def check_content(stem: Stem, content: str) -> None:
    """Raise ``AudioError`` when this is not the content tag of what was scanned, naming the part where there are several."""
    if identity.is_other(stem, content):
        pairs = zip(stem.uris, tags.split(content), tags.split(stem.etag), strict=False)
        changed = next((uri for uri, now, before in pairs if now != before), stem.uri)
        raise AudioError(f"{changed}: the file changed since the scan: scan again into a new run")


def _read(uri: str, remarks: list[str] | None) -> tuple[np.ndarray, bytes, str]:
    """All samples of one file as ``(channel, time)``, what was decoded, and its content tag. Raises ``AudioError``."""
    file, number = streams.file_of(uri)
    try:
        data = storage.read_bytes(file)
    except OSError as error:
        raise AudioError(f"{uri}: cannot be read ({error})") from error
    content = tags.numbered(tags.of_bytes(data), number)
    if number is not None:
        data = streams.wav_of(data, number, uri)
    audio = decode(data, uri)
    if remarks is not None and (wrong := checksum.what_is_wrong(io.BytesIO(data), audio)):
        remarks.append(f"{uri}: {wrong}")
    return audio, data, content


def _sum_of_parts(stem: Stem, remarks: list[str] | None) -> tuple[np.ndarray, str]:
    """``(channel, time)`` at the stem's rate, with as many channels as the manifest says where a part has other ones.

    And the content tag.
    """
    total, contents = np.zeros((0, 0), np.float32), []
    for uri in stem.parts:
        part, data, content = _read(uri, remarks)
        rate = rate_of(data, uri)
        contents.append(content)
        part = as_channels(resample(part, rate, stem.sample_rate or rate), stem.channels or len(part))
        short, long = sorted((total, part), key=lambda audio: audio.shape[1])
        total = long.copy()
        total[: len(short), : short.shape[1]] += short
    return total, tags.joined(contents)


def together(singles: Iterable[dict[str, T]]) -> list[dict[str, T]]:
    """What is of one label each, label → it, put together: the first of each label, then the second, in their order."""
    by_label: dict[str, list[dict[str, T]]] = {}
    for each in singles:
        by_label.setdefault(next(iter(each)), []).append(each)
    return [reduce(or_, joined) for joined in zip_longest(*by_label.values(), fillvalue={})]


def read_segments(
    drawn: Drawn,
    labels: Sequence[str],
    sample_rate: int,
    channels: int,
    length: int,
    most: int | None = None,
) -> tuple[np.ndarray, dict[str, str]]:
    """``(n, stem, channel, time)`` drawn segments, those of whole tracks in track order; and which stems could not be read.

    The latter: stem_id → why; their tracks are left out. ``length`` (samples) and ``most`` are what the segments were
    listed with. A stem that a track lacks is silent: the mixture is the sum of what is there. Tracks of one stem have no
    mixture of their own; they are put together, one of each label.
    """
    whole: list[dict[str, np.ndarray]] = []
    single: list[dict[str, np.ndarray]] = []
    unread: dict[str, str] = {}
    for track, parts in manifest.tracks_of(drawn.stems).items():
        wanted = [stem for label, stem in parts.items() if stem.frames and label in labels]
        audio, why = _read_all(wanted, sample_rate, channels)
        if not why:
            (whole if len(audio) > 1 else single).extend(_crops(audio, drawn.chosen[track], length, most))
        unread |= why
    return _stacked(whole + together(single), labels, channels, length), unread


def _read_all(stems: Iterable[Stem], sample_rate: int, channels: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """(label → audio, stem_id → why it could not be read)."""
    audio: dict[str, np.ndarray] = {}
    unread: dict[str, str] = {}
    for stem in stems:
        try:
            audio[stem.stem] = read_stem(stem, sample_rate, channels)
        except AudioError as error:
            unread[stem.stem_id] = str(error)
    return audio, unread


def _crops(
    audio: Mapping[str, np.ndarray], chosen: Sequence[int], length: int, most: int | None
) -> Iterator[dict[str, np.ndarray]]:
    """label → ``(channel, length)`` of each chosen segment."""
    cuts = {s.index: s for s in segments.cut(min(each.shape[1] for each in audio.values()), length, most)}
    for index in chosen:
        if index in cuts:
            yield {label: segments.crop(each, cuts[index], length) for label, each in audio.items()}


def _stacked(
    examples: Sequence[Mapping[str, np.ndarray]], labels: Sequence[str], channels: int, length: int
) -> np.ndarray:
    stacked = np.zeros((len(examples), len(labels), channels, length), np.float32)
    for example, crops in zip(stacked, examples, strict=True):
        for place, label in zip(example, labels, strict=True):
            place[:] = crops.get(label, 0)
    return stacked
