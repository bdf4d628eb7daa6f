"""A folder for each label: ``LABEL/NAME.wav``, below the place or below its split folders.

    corpus/vocals/Some Song.wav   corpus/drums/Some Song.wav       files of one name are the stems of one track
    corpus/vocals/take 1.wav      corpus/drums/loop 7.wav          files that share no names are a pool of single stems

The second is type 2 of the Music-Source-Separation-Training repository (MSST).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from raysep.corpus.layouts import splits
from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.layout import Found, Layout, Place, Scan
from raysep.corpus.layouts.naming import MIXTURES, Naming, checked
from raysep.corpus.layouts.notes import Note, stray
from raysep.corpus.layouts.problems import Problem
from raysep.corpus.names import folded, normal


class Labelled(NamedTuple):
    """An audio file below a folder that is named as a label."""

    split: str  # the folder above, "" where there is none
    folder: str  # as it is written
    name: str  # the path below it, without extension
    file: File


class _ByLabel(Layout):
    def fits(self, place: Place) -> bool:
        """Folders of two labels or more, in which most files are named otherwise: else they are tracks' folders."""
        if place.is_file:
            return False
        found = list(_labelled(place))
        folders = {folded(each.folder) for each in found}
        named = sum(place.naming.of(each.name.rpartition("/")[2]) is not None for each in found)
        return len(folders) > 1 and 2 * named < len(found)


class StemFolders(_ByLabel):
    """Files of one name are one track."""

    def matches(self, place: Place) -> bool:
        return self.fits(place) and not _is_pool(place)

    def scan(self, place: Place) -> Scan:
        naming = checked(place.naming)
        chosen, notes = _chosen(place)
        tracks: dict[str, dict[str, list[File]]] = defaultdict(dict)
        for each in chosen:
            tracks[normal(each.name)].setdefault(folded(each.folder), []).append(each.file)
        found, problems = [], []
        for track, held in tracks.items():
            for label in naming.labels:
                files = [held[folded(name)] for name in naming.parts(label) if folded(name) in held]
                if twins := next((each for each in files if len(each) > 1), None):
                    names = ", ".join(str(file.path) for file in twins)
                    problems.append(
                        Problem(track, label, twins[0].uri, f"{names} are all {label!r} of {track}; keep one of them")
                    )
                elif files:
                    found.append(Found(track, label, [each[0] for each in files]))
        read = place.read(found, notes)
        return Scan(read.stems, problems + read.problems, read.notes)


class Pool(_ByLabel):
    """Every file is a track of its own, whatever its name."""

    def matches(self, place: Place) -> bool:
        return self.fits(place) and _is_pool(place)

    def scan(self, place: Place) -> Scan:
        label_of = _labels(checked(place.naming))
        chosen, notes = _chosen(place)
        return place.read(
            (Found(f"{each.folder}/{each.name}", label_of[folded(each.folder)], each.file) for each in chosen), notes
        )


def _labels(naming: Naming) -> dict[str, str]:
    """Folder's name → the label that its files go to."""
    return {folded(name): label for label in naming.labels for name in naming.parts(label)}


def _labelled(place: Place) -> Iterator[Labelled]:
    known = _labels(place.naming)
    for file in place.audio:
        parts = file.path.with_suffix("").parts
        depth = 1 if len(parts) > 2 and splits.split_of(parts[0]) and folded(parts[1]) in known else 0
        if len(parts) >= depth + 2 and folded(parts[depth]) in known:
            yield Labelled("/".join(parts[:depth]), parts[depth], "/".join(parts[depth + 1 :]), file)


def _is_pool(place: Place) -> bool:
    """Whether most names are in one label's folder alone."""
    folders: dict[str, set[str]] = defaultdict(set)
    for each in _labelled(place):
        folders[f"{each.split}/{normal(each.name)}"].add(folded(each.folder))
    return 2 * sum(len(each) > 1 for each in folders.values()) < len(folders)


def _chosen(place: Place) -> tuple[list[Labelled], list[Note]]:
    """What is read, in the split that is asked for; and what audio lies elsewhere."""
    found = list(_labelled(place))
    split = splits.choose(place.root, place.split, {f"{each.split}/{each.folder}".lstrip("/") for each in found})
    there = {each.file for each in found}
    others = [
        str(file.path) for file in place.audio if file not in there and not MIXTURES & set(map(folded, file.path.parts))
    ]
    notes = [*split.notes, *stray(others, "in no folder of a label")]
    return [each for each in found if split.below(f"{each.split}/{each.folder}".lstrip("/"))], notes
