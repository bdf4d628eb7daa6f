"""Tracks of two roles that hold the same samples in other files: in another container, with other tags, under other names.

A first look that decodes little: only stems of one rate, length and number of channels can be the same, and of those a second
is read before all of it. What was changed in its samples is found by its fingerprint (``leaks``), when the run begins.
"""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence

from raysep.audio import streams
from raysep.audio.files import decode
from raysep.audio.levels import is_audible
from raysep.corpus import leaks, storage
from raysep.corpus.manifest import Stem
from raysep.corpus.threads import in_threads
from raysep.errors import AudioError

MOST = 1000  # stems that are looked into; where more are of one length, they are left to the fingerprints
SECONDS = 1.0  # about the middle

Shape = tuple[int, int, int]


def shared(stems: Iterable[Stem], others: Iterable[Stem]) -> list[tuple[str, str]]:
    """(track of ``stems``, track of ``others``) that share the samples of ``leaks.SHARED_STEMS`` stems, or of their only one.

    Silence is shared by many and counts for nothing; neither do sums of several files, and files that cannot be read.
    """
    stems, others = list(stems), list(others)
    ours, theirs = _by_shape(stems), _by_shape(others)
    alike = [stem for shape in ours.keys() & theirs.keys() for stem in (*ours[shape], *theirs[shape])]
    if len(alike) > MOST:
        return []
    looks = dict(zip((id(stem) for stem in alike), in_threads(_middle, alike), strict=True))
    pairs: dict[tuple[str, str], list[tuple[Stem, Stem]]] = defaultdict(list)
    for shape in sorted(ours.keys() & theirs.keys()):
        for stem in ours[shape]:
            for other in theirs[shape]:
                if looks[id(stem)] and looks[id(stem)] == looks[id(other)]:
                    pairs[stem.track, other.track].append((stem, other))
    single = {track for track, labels in _labels(stems).items() if len(labels) == 1}
    return sorted(
        tracks for tracks, found in pairs.items() if _are_one(found, 1 if tracks[0] in single else leaks.SHARED_STEMS)
    )


def _by_shape(stems: Iterable[Stem]) -> dict[Shape, list[Stem]]:
    shapes: dict[Shape, list[Stem]] = defaultdict(list)
    for stem in stems:
        if stem.frames and not stem.parts and streams.file_of(stem.uri)[1] is None:
            shapes[stem.sample_rate, stem.channels, stem.frames - stem.padding].append(stem)
    return dict(shapes)


def _labels(stems: Iterable[Stem]) -> dict[str, set[str]]:
    labels: dict[str, set[str]] = defaultdict(set)
    for stem in stems:
        labels[stem.track].add(stem.stem)
    return dict(labels)


def _are_one(pairs: Sequence[tuple[Stem, Stem]], needed: int) -> bool:
    """Whether so many stems, each of another label, are the same from their beginning to their end."""
    if len({stem.stem for stem, _ in pairs}) < needed:
        return False
    same = {stem.stem for stem, other in pairs if (samples := _samples(stem)) and samples == _samples(other)}
    return len(same) >= needed


def _middle(stem: Stem) -> str:
    frames = min(stem.frames - stem.padding, round(SECONDS * stem.sample_rate))
    return _samples(stem, (stem.frames - stem.padding - frames) // 2, frames)


def _samples(stem: Stem, start: int = 0, frames: int = -1) -> str:
    """A hash of the decoded samples; "" for what cannot be read, and for silence."""
    try:
        with storage.open_random(stem.uri) as stream:
            audio = decode(io.BufferedReader(stream, storage.BUFFER_BYTES), stem.uri, start, frames)
    except (AudioError, OSError):
        return ""  # told where it is used
    return hashlib.sha256(audio.tobytes()).hexdigest() if is_audible(audio) else ""
