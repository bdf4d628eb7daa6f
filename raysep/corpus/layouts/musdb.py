"""From folders to a manifest: ``TRACK/LABEL.wav`` as in MUSDB18-HQ, below the corpus or below its split folders.

    corpus/Some Track/{vocals,drums,bass,other,mixture}.wav            flat
    corpus/train/Some Track/…    corpus/test/Some Track/…              split folders: one of them is read

The extension may be any that libsndfile reads; deeper folders give tracks named ``album/track``. A track need not have
every label. Files that are no stem (``mixture``, notes, hidden files) are passed over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from raysep.corpus.layouts import splits
from raysep.corpus.layouts.headers import EXTENSIONS, File
from raysep.corpus.layouts.layout import Found, Layout, NoTracks, Place, Scan
from raysep.corpus.layouts.naming import Named, Naming, checked, guesses, named, other_audio
from raysep.corpus.layouts.notes import Note, several, stray
from raysep.corpus.layouts.problems import Problem
from raysep.corpus.names import folded, normal

UNREADABLE = (
    ".m4a",
    ".mp4",
    ".aac",
    ".wma",
    ".part",
    ".crdownload",
    ".tmp",
)  # what audio is also kept in, or half of it


class Musdb(Layout):
    def matches(self, place: Place) -> bool:
        """Always: it is the last to be tried, and says what is wrong with a place that is laid out in no known way."""
        return True

    def scan(self, place: Place) -> Scan:
        naming = checked(place.naming)
        folders = _folders(place.files)
        every = {name: named(_audio(files), naming, name.rpartition("/")[2]) for name, files in folders.items()}
        held = {name: each for name, each in every.items() if each.stems and name}
        if not held:
            raise NoTracks(_no_track(place, every))
        split = splits.choose(place.root, place.split, held)
        tracks = {below: each for name, each in held.items() if (below := split.below(name)) is not None}
        found: list[Found] = []
        problems: list[Problem] = []
        for track, each in sorted(tracks.items()):
            stems, wrong = stems_in(track, each, naming)
            found += stems
            problems += wrong
        notes = [
            *split.notes,
            *_without_stems({name: folders[name] for name in every if name and split.below(name) and name not in held}),
            *stray(sorted(file.path.name for file in _audio(folders.get("", []))), "beside the tracks' folders"),
            *guesses([file for each in tracks.values() for file in each.guessed]),
            *other_audio((file for each in tracks.values() for file in each.others), naming),
            *_unread({name: (folders[name], each) for name, each in held.items() if split.below(name)}, naming),
        ]
        read = place.read(found, notes)
        return Scan(read.stems, sorted(problems + read.problems), read.notes)


def stems_in(track: str, each: Named, naming: Naming) -> tuple[list[Found], list[Problem]]:
    """The stems of one track, and the names of which it has several files."""
    found, problems = [], []
    for label in naming.labels:
        held = [each.stems[name] for name in naming.parts(label) if name in each.stems]
        clear = [files[0] for files in held if len(files) == 1]
        for files in held:
            if len(files) > 1:
                twins = ", ".join(sorted(file.path.name for file in files))
                folder = files[0].uri.rpartition("/")[0]
                message = f"{folder}: {twins} are all {label!r}; keep one of them"
                problems.append(Problem(normal(track), label, folder, message))
        if clear and len(clear) == len(held):
            found.append(Found(track, label, clear))
    return found, problems


def _folders(files: Iterable[File]) -> dict[str, list[File]]:
    folders: dict[str, list[File]] = defaultdict(list)
    for file in files:
        folders["/".join(file.path.parts[:-1])].append(file)
    return dict(sorted(folders.items()))


def _audio(files: Iterable[File]) -> list[File]:
    return [file for file in files if file.path.suffix.lower() in EXTENSIONS]


def _unread(tracks: Mapping[str, tuple[list[File], Named]], naming: Naming) -> list[Note]:
    """Files that are named as a label that their track lacks, and are no audio by their ending: a stem may be meant."""
    names: dict[str, list[str]] = defaultdict(list)
    for track, (files, each) in tracks.items():
        for file in files:
            meant = naming.of(file.path.stem, track.rpartition("/")[2])
            if meant and meant[0] not in each.stems and file.path.suffix.lower() not in EXTENSIONS:
                names[folded(file.path.name)].append(str(file.path))
    if not names:
        return []
    name, paths = max(names.items(), key=lambda item: len(item[1]))
    more = f" and {len(names) - 1} more names" if len(names) > 1 else ""
    text = f"{name} in {several(len(paths), 'track')}{more}: no audio by that ending; make it WAV or FLAC"
    return [Note("unread", sum(map(len, names.values())), paths[0], text)]


def _without_stems(folders: Mapping[str, list[File]]) -> list[Note]:
    """Folders that hold audio, or what may be some, and no stem."""
    held = {
        name: sorted(file.path.name for file in files if file.path.suffix.lower() in (*EXTENSIONS, *UNREADABLE))
        for name, files in folders.items()
    }
    held = {name: files for name, files in held.items() if files}
    if not held:
        return []
    first, files = next(iter(held.items()))
    text = f"{several(len(held), 'folder')} without readable stems, first {first} ({files[0]})"
    return [Note("no-stems", len(held), first, text)]


def _no_track(place: Place, every: Mapping[str, Named]) -> str:
    """Why nothing was found, with what is there."""
    root, wanted = place.root, ", ".join(place.naming.names)
    if every.get("", Named()).stems:
        return f"{root}: looks like the folder of one track; give the folder above it"
    audio = place.audio
    if not audio:
        other = [str(file.path) for file in place.files if file.path.suffix.lower() in UNREADABLE]
        found = f" (found {other[0]}: make it WAV or FLAC)" if other else ""
        return f"{root}: no audio in any track's folder{found}; a corpus is TRACK/LABEL.wav with the labels {wanted}"
    names = list(dict.fromkeys(file.path.name for file in audio))
    shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    return (
        f"{root}: no audio in any track's folder is named as a label: {wanted} (found {shown}); name them with --labels"
    )
