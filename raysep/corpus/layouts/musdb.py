"""From folders to a manifest: ``TRACK/LABEL.wav`` as in MUSDB18-HQ, below the corpus or below its split folders.

    corpus/Some Track/{vocals,drums,bass,other,mixture}.wav            flat
    corpus/train/Some Track/…    corpus/test/Some Track/…              split folders: one of them is read

The extension may be any that libsndfile reads; deeper folders give tracks named ``album/track``. Files that are no
stem (``mixture``, notes, hidden files) are passed over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from raysep.corpus import storage
from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.layout import Layout, Place, Scan
from raysep.corpus.layouts.problems import Problem, uneven
from raysep.errors import BadInput

MIXTURE = "mixture"
SPLITS = ("train", "test", "valid", "validation", "reference")


class Musdb(Layout):
    def matches(self, place: Place) -> bool:
        """Always: it is the last to be tried, and says what is wrong with a place that is laid out in no known way."""
        return True

    def scan(self, place: Place) -> Scan:
        labels = place.wanted
        if not labels or len(set(labels)) < len(labels) or MIXTURE in labels:
            raise BadInput(f"labels {', '.join(labels) or '(none)'}: give different stem labels, without {MIXTURE!r}")
        problems: list[Problem] = []
        found: list[tuple[str, str, File]] = []
        for track, (folder, files) in sorted(_choose_split(place).items()):
            chosen, wrong = _stems_of(track, folder, files, labels)
            found += chosen
            problems += wrong
        read = place.read(found)
        return Scan(read.stems, sorted(problems + read.problems + uneven(read.stems)))


def _choose_split(place: Place) -> dict[str, tuple[str, list[File]]]:
    """Track name → (its folder's URI, its audio files)."""
    root, split = place.root, place.split
    folders: dict[str, list[File]] = defaultdict(list)
    for file in place.audio:
        folders["/".join(file.path.parts[:-1])].append(file)
    stray = folders.pop("", [])
    tracks = {name: (storage.join(root, name), files) for name, files in folders.items()}
    nested: dict[str, dict[str, tuple[str, list[File]]]] = defaultdict(dict)
    for name, content in tracks.items():
        first, _, rest = name.partition("/")
        if first in SPLITS and rest:
            nested[first][rest] = content
    if nested and split not in nested:
        raise BadInput(f"{root}: has the split folders {', '.join(sorted(nested))} but no {split!r}; give one of them")
    chosen = nested[split] if nested else tracks
    if not chosen:
        if any(_label_of(file, place.wanted) for file in stray):
            raise BadInput(f"{root}: looks like the folder of one track; give the folder above it")
        raise BadInput(
            f"{root}: no audio in any track's folder; a corpus is TRACK/LABEL.wav with the labels {', '.join(place.wanted)}"
        )
    return chosen


def _label_of(file: File, labels: Iterable[str]) -> str | None:
    name = file.path.stem.lower()
    return next((label for label in labels if label.lower() == name), None)


def _stems_of(
    track: str, folder: str, files: list[File], labels: Sequence[str]
) -> tuple[list[tuple[str, str, File]], list[Problem]]:
    """The stem files of one track, and what is wrong with its layout."""
    by_label: dict[str, list[File]] = defaultdict(list)
    for file in files:
        if label := _label_of(file, labels):
            by_label[label].append(file)
    problems = []
    names = ", ".join(sorted(file.path.name for file in files))
    for label in labels:
        held = by_label[label]
        if not held:
            message = f"{folder}: no {label!r} (found {names}); add it (silence will do), or remove the track's folder"
            problems.append(Problem(track, label, folder, message))
        elif len(held) > 1:
            twins = ", ".join(sorted(file.path.name for file in held))
            message = f"{folder}: {twins} are all {label!r}; keep one of them"
            problems.append(Problem(track, label, folder, message))
    return [(track, label, by_label[label][0]) for label in labels if len(by_label[label]) == 1], problems
