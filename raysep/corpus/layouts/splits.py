"""Split folders: ``train/``, ``test/``, ``valid/`` …, in any case, one of which is read at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from raysep.corpus.layouts.notes import Note, several
from raysep.corpus.manifest import Stem
from raysep.corpus.names import folded
from raysep.errors import BadInput

SAME = {"valid": "validation", "val": "validation", "training": "train", "testing": "test"}
SPLITS = ("train", "test", "validation", "reference", *SAME)


@dataclass(frozen=True)
class Split:
    """Which part of a place is read: what lies below one of its folders, or all of it."""

    folders: tuple[str, ...] = ()  # as they are written: ("Train",); () = everything
    notes: tuple[Note, ...] = ()

    def below(self, path: str) -> str | None:
        """The path without the split's folder; None for one that is not read."""
        if not self.folders:
            return path
        first, _, rest = path.partition("/")
        return rest if first in self.folders and rest else None


def split_of(name: str) -> str | None:
    """The split that a folder's name means, if any."""
    name = folded(name)
    return SAME.get(name, name) if name in SPLITS else None


def choose(root: str, split: str, tracks: Iterable[str]) -> Split:
    """What to read of a place, by the paths of its tracks: ``train/Some Track``, ``Some Artist/Some Track``.

    A folder with the name of a split is one when tracks lie in it, and no other tracks beside it at the same depth: there
    it is a band of that name. Raises ``BadInput`` when tracks lie beside split folders, and when ``split`` is not there.
    """
    tracks = sorted(tracks)
    held: dict[str, set[str]] = defaultdict(set)  # split → its folders
    beside = []
    for track in tracks:
        first, _, rest = track.partition("/")
        name = split_of(first) if rest else None
        if name is None:
            beside.append(track)
        else:
            held[name].add(first)
    folders = sorted(folder for each in held.values() for folder in each)
    if not folders:
        return Split()
    if beside and len(folders) == 1 and all("/" in track for track in beside):
        first = folders[0]
        return Split((), (Note("band", 1, first, f"{first}/ is read as a folder of tracks like those beside it"),))
    if beside:
        raise BadInput(
            f"{root}: {several(len(beside), 'track')} beside {folders[0]}/, first {beside[0]}; move "
            f"{'it' if len(beside) == 1 else 'them'} into a split folder or away, or give {root}/{folders[0]}"
        )
    wanted = SAME.get(folded(split), folded(split))
    if wanted not in held:
        raise BadInput(f"{root}: has the split folders {', '.join(folders)} but no {split!r}; give one of them")
    return Split(tuple(sorted(held[wanted])))


def unsplit(root: str, split: str, stems: Iterable[Stem]) -> list[Note]:
    """What to say to somebody who asked for a split of a place that has no such folder (or is a file): all of it was read."""
    wanted = SAME.get(folded(split), folded(split))
    begin = f"{root.rstrip('/')}/"
    if any(
        stem.uri.startswith(begin) and split_of(stem.uri[len(begin) :].partition("/")[0]) == wanted for stem in stems
    ):
        return []
    return [Note("unsplit", 1, split, f"--split {split}: it has no split folders, and all of it is read")]
