"""What a layout is: it knows how stems lie in a place, and turns the place into the rows of a manifest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NamedTuple

from raysep.corpus import identity, manifest, storage
from raysep.corpus.layouts.headers import EXTENSIONS, File, header, to_stem
from raysep.corpus.layouts.limit import first_of
from raysep.corpus.layouts.listing import Listing, listing
from raysep.corpus.layouts.naming import Naming
from raysep.corpus.layouts.notes import Note
from raysep.corpus.layouts.problems import Problem
from raysep.corpus.manifest import Stem
from raysep.corpus.names import normal
from raysep.corpus.threads import THREADS, in_threads
from raysep.errors import BadInput

LABELS = ("vocals", "drums", "bass", "other")


@dataclass(frozen=True)
class Scan:
    """What lies at a place: its stems, what is wrong with them, and what was passed over, changed or guessed."""

    stems: list[
        Stem
    ]  # one per stem, in order (a manifest's is its own); an unusable one has sample rate, channels and frames 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)  # what was passed over, changed or guessed


class NoTracks(BadInput):
    """A place holds nothing that the layout takes for a track."""


class Found(NamedTuple):
    """A stem that a layout has found: one file, or the sum of several."""

    track: str
    label: str
    files: File | Sequence[File]
    has_bleed: bool | None = None


@dataclass(frozen=True)
class Place:
    """Where stems are looked for, and which: what a layout is asked about. A folder is listed once, when first needed."""

    uri: str  # as it was given: a path, or s3://…
    labels: tuple[str, ...] | None = None  # the labels asked for; None: those that the place itself names
    usual: tuple[str, ...] = LABELS  # … or these, in a place that names none
    split: str = "train"  # the folder to read where there are split folders, and the name to be recorded
    strict: bool = False  # nothing may be wrong: what is only said of a file shall be checked, at a header a file
    threads: int = THREADS
    sums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # label → the names of the files that are summed
    known: tuple[Stem, ...] = ()  # rows of an earlier scan: files that have not changed since are not read
    limit: int | None = None  # tracks, in the order of their names; None: all

    @property
    def root(self) -> str:
        return storage.absolute(self.uri)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The labels to look for in a place that names none itself."""
        return self.usual if self.labels is None else self.labels

    @property
    def is_file(self) -> bool:
        """Whether it is one file that lists stems, not a folder."""
        return self.uri.lower().endswith((".parquet", ".csv"))

    @property
    def is_manifest(self) -> bool:
        return self.uri.endswith(".parquet")

    @cached_property
    def naming(self) -> Naming:
        """Which label a file's name means."""
        return Naming(self.wanted, self.sums)

    @cached_property
    def listing(self) -> Listing:
        """What lies below the folder, links followed once; nothing below a file. Raises ``BadInput`` when it is neither."""
        return Listing(()) if self.is_file else listing(self.root)

    @property
    def listed(self) -> tuple[Note, ...]:
        """What the listing passed over, when there has been one."""
        return self.listing.notes if "listing" in vars(self) else ()

    @property
    def files(self) -> tuple[File, ...]:
        """Every file below the folder, in path order, hidden ones left out. Raises ``BadInput`` when it is none."""
        return self.listing.files

    @property
    def audio(self) -> list[File]:
        """The files that are audio by their name."""
        return [file for file in self.files if file.path.suffix.lower() in EXTENSIONS]

    def read(self, found: Iterable[Found | tuple[str, str, File]], notes: Iterable[Note] = ()) -> Scan:
        """Rows of the files that a layout has found, as (track, label, files), many at a time: each file is read once.

        A stem of several files is their sum, each of them once. One that cannot be read as audio is a row too, with sample rate, channels and
        frames 0, and a problem.
        """
        every = [_each_once(Found(*item)) for item in found]
        kept, told = first_of((normal(each.track) for each in every), self.limit)
        those = [each for each in every if normal(each.track) in kept]
        before = {stem.uris: stem for stem in self.known if stem.frames}
        known = [_as_before(before, each) for each in those]
        files = [(n, file) for n, each in enumerate(those) if known[n] is None for file in _several(each.files)]
        headers = in_threads(lambda item: header(item[1].uri), files, self.threads)
        parts: list[list[Stem]] = [[row] if row else [] for row in known]
        problems = []
        for (number, file), (info, etag, message) in zip(files, headers, strict=True):
            stem = to_stem(those[number].track, those[number].label, file, info, etag, self.split)
            parts[number].append(stem)
            if message:
                problems.append(Problem(stem.track, stem.stem, file.uri, message, unreadable=True))
        stems = [
            manifest.with_values(
                manifest.summed(normal(each.track), normal(each.label), own), has_bleed=each.has_bleed, split=self.split
            )
            for each, own in zip(those, parts, strict=True)
        ]
        return Scan(sorted(stems), problems, [*told, *notes])


def _each_once(found: Found) -> Found:
    """A file that a record or a list names again is none more: its sum with itself would be twice as loud."""
    return found._replace(files=list({file.uri: file for file in _several(found.files)}.values()))


def _several(files: File | Sequence[File]) -> Sequence[File]:
    return [files] if isinstance(files, File) else files


def _as_before(known: Mapping[tuple[str, ...], Stem], found: Found) -> Stem | None:
    """The row of an earlier scan of the same files, without what their track added to it; None when it does not hold."""
    files = _several(found.files)
    stem = known.get(tuple(file.uri for file in files))
    if stem is None or not identity.as_before(stem, [(file.bytes, file.modified) for file in files]):
        return None
    return manifest.with_values(stem, frames=stem.frames - stem.padding, padding=0)


class Layout(ABC):
    """How stems lie in a place. One of your own is a class that is made without arguments, in a module of your own."""

    as_given: ClassVar[bool] = (
        False  # the rows are there already: several stems of one label may be meant, as relabelled
    )

    def matches(self, place: Place) -> bool:
        """Whether the place is laid out like this; here any folder. Asked before ``scan``, by name or by listing."""
        return not place.is_file

    def fits(self, place: Place) -> bool:
        """Whether the place can be read like this when the user says so, though it looks like another layout as well."""
        return self.matches(place)

    @abstractmethod
    def scan(self, place: Place) -> Scan:
        """Every stem that is there, and what is wrong with any: ``Place.read`` makes the rows.

        Whether a problem is an error is for the caller to say. Raises ``BadInput`` when nothing there is as it should be.
        """
