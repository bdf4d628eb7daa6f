"""Layouts in which a record in a track's folder says what its files are: the walk over the records, which is the same for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from raysep.corpus.layouts import splits
from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.instruments import Instruments
from raysep.corpus.layouts.layout import Found, Place, Scan
from raysep.corpus.layouts.naming import checked
from raysep.corpus.layouts.notes import stray
from raysep.corpus.layouts.problems import Problem

Held = tuple[dict[str, list[File]], Mapping[str, bool | None]]  # instrument → its files, and whether any bleeds
WRONG = (ValueError, KeyError, TypeError, AttributeError)  # what a record that is none makes its reader raise


def scan(place: Place, records: Mapping[str, File], held: Callable[[str, File], Held], of: str) -> Scan:
    """The stems of every folder that has a record; ``held(folder, record)`` reads one. A broken record is a problem of its track."""
    instruments = Instruments(checked(place.naming))
    split = splits.choose(place.root, place.split, records)
    found: list[Found] = []
    problems: list[Problem] = []
    for folder, record in sorted(records.items()):
        track = split.below(folder)
        if track is None:
            continue
        try:
            found += instruments.stems(track, *held(folder, record))
        except WRONG as error:
            message = f"{record.uri}: not a record of {of} ({type(error).__name__}: {error}); mend or remove the folder"
            problems.append(Problem(track, "", record.uri, message))
    strays = [path for path in _without(place, records) if split.below(path)]
    read = place.read(found, [*split.notes, *stray(strays, "in no folder with such a record"), *instruments.notes()])
    return Scan(read.stems, problems + read.problems, read.notes)


def _without(place: Place, records: Mapping[str, File]) -> list[str]:
    """Paths of audio that no record is about: of a track whose record is lost, or of another layout."""
    return [str(file.path) for file in place.audio if not records.keys() & set(map(str, file.path.parents))]
