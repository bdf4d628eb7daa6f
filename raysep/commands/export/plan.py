"""What an export is made of: a form says which files there will be, and of which stems each is made."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from raysep.audio import streams
from raysep.corpus import storage
from raysep.corpus.manifest import Stem
from raysep.corpus.names import normal
from raysep.errors import BadInput
from raysep.training.entry import Entry

WAV = "WAV/"
MISSING = ("leave-out", "silence")


@dataclass(frozen=True)
class Shape:
    """What the samples of a file are fitted to."""

    sample_rate: int  # Hz
    channels: int
    frames: int


@dataclass(frozen=True)
class File:
    """One file of an export: a stem as it lies, a sum of stems, or a text."""

    path: str  # below the destination; "" = the destination itself
    parts: tuple[Entry, ...] = ()  # whose sum it holds; their spans are muted
    wav: bool = False  # as WAV, whatever the source is; else as its one part is
    shape: Shape | None = None  # what the parts are fitted to; silence where there are none
    mixed: tuple[File, ...] = ()  # in place of parts: the sum of these files as they are written
    text: bytes | None = None  # in place of both: the content itself
    link: bool = False  # a link to its one part will do

    @property
    def as_is(self) -> bool:
        """Whether the bytes of its one part are what it holds."""
        if len(self.parts) != 1 or self.parts[0].spans or is_made(self.parts[0].stem):
            return False
        stem = self.parts[0].stem
        fits = self.shape in (None, Shape(stem.sample_rate, stem.channels, stem.frames))
        return fits and (not self.wav or stem.format.startswith(WAV))

    @property
    def size(self) -> int | None:
        """Bytes, where that is known before it is written."""
        if self.text is not None:
            return len(self.text)
        return self.parts[0].stem.bytes if self.as_is else None

    def at(self, to: str) -> str:
        return storage.join(to, self.path) if self.path else to


@dataclass(frozen=True)
class Plan:
    files: list[File]
    notes: list[str] = field(default_factory=list)  # what a person should know of what is not there


@dataclass(frozen=True)
class Options:
    labels: tuple[str, ...]  # of the whole corpus
    missing: str = MISSING[0]  # what becomes of a track that lacks a label, where a form wants all


@dataclass(frozen=True)
class Form:
    """One way to lay a cleaned corpus out."""

    name: str
    about: str  # for the help and the page
    suffix: str  # what the one file that it writes ends in; "" = it fills a folder
    plan: Callable[[Sequence[Entry], Options], Plan]
    linked: bool = False  # local on both sides


def is_made(stem: Stem) -> bool:
    """Whether a stem is more than one whole file: a sum of several, a stream of one, or followed by silence of ours."""
    return bool(stem.parts or stem.padding or streams.file_of(stem.uri)[1] is not None)


def extension(entry: Entry) -> str:
    return PurePosixPath(entry.stem.uri).suffix.lower()


def name_in(entry: Entry, name: str) -> str:
    """A track's or a label's name as a path below the destination.

    Raises ``BadInput`` for one that leads out of it, or begins with a dot: whoever reads the folder passes over it.
    """
    if any(not part or part.startswith(".") for part in name.split("/")) or "\0" in name:
        raise BadInput(f"{entry.stem.stem_id}: {name!r} is no name for a folder; rename it in the manifest")
    return name


def by_label(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """label as used → entries, both in order."""
    found: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: (e.label, e.stem.track, e.stem.stem_id)):
        found.setdefault(entry.label, []).append(entry)
    return found


def counted(what: str, entries: Sequence[Entry], then: str) -> list[str]:
    """One line with the count and the first example; none for nothing."""
    return [f"{len(entries)} {what}, first {entries[0].stem.stem_id}: {then}"] if entries else []


def alike(files: Iterable[File]) -> list[str]:
    """A note of paths that differ in case alone: on some file systems the second would take the place of the first."""
    held: dict[str, list[str]] = defaultdict(list)
    for file in files:
        held[normal(file.path).casefold()].append(file.path)
    twins = [paths for paths in held.values() if len(paths) > 1]
    if not twins:
        return []
    first, second = twins[0][:2]
    return [f"{len(twins)} paths differ in case alone, first {first} and {second}: macOS and Windows take them for one"]


def other_rates(entries: Sequence[Entry]) -> list[str]:
    """A note of the stems whose rate is not the commonest: trainers read samples as they lie."""
    rates = Counter(entry.stem.sample_rate for entry in entries)
    usual = max(rates, key=lambda rate: rates[rate], default=0)
    others = [entry for entry in entries if entry.stem.sample_rate != usual]
    then = "a trainer that does not resample, as MSST, hears them at another speed: resample them before"
    return counted(f"stems are not of {usual} Hz as the others", others, then)


def unsaid(entries: Sequence[Entry], audio: bool, addresses: bool = False) -> list[str]:
    """What of the entries a form cannot say: weights never, spans where it holds no audio, sums where it has addresses alone."""
    weighed = [entry for entry in entries if entry.weight != 1]
    cut = [] if audio else [entry for entry in entries if entry.spans]
    made = [entry for entry in entries if is_made(entry.stem)] if addresses else []
    return [
        *counted("stems are to be drawn less often than others", weighed, "this form gives every stem alike"),
        *counted(
            "stems are sums of several files, or parts of one",
            made,
            "a list names the files; --form copies writes the stems",
        ),
        *counted(
            "stems have spans that are left out", cut, "a list of files cannot say so; --form copies writes them muted"
        ),
    ]
