"""What a layout is: it knows how stems lie in a place, and turns the place into the rows of a manifest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from raysep.corpus import storage
from raysep.corpus.layouts.headers import EXTENSIONS, File, header, to_stem
from raysep.corpus.layouts.problems import Problem
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput

LABELS = ("vocals", "drums", "bass", "other")


@dataclass(frozen=True)
class Scan:
    stems: list[
        Stem
    ]  # one per stem, in order (a manifest's is its own); an unreadable one has sample rate, channels and frames 0
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where stems are looked for, and which: what a layout is asked about. A folder is listed once, when first needed."""

    uri: str  # as it was given: a path, or s3://…
    labels: tuple[str, ...] | None = None  # the labels asked for; None: those that the place itself names
    usual: tuple[str, ...] = LABELS  # … or these, in a place that names none
    split: str = "train"  # the folder to read where there are split folders, and the name to be recorded
    strict: bool = False  # nothing may be wrong: what is only said of a file shall be checked, at a header a file
    threads: int = 16

    @property
    def root(self) -> str:
        return storage.absolute(self.uri)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The labels to look for in a place that names none itself."""
        return self.usual if self.labels is None else self.labels

    @property
    def is_manifest(self) -> bool:
        return self.uri.endswith(".parquet")

    @cached_property
    def files(self) -> tuple[File, ...]:
        """Every file below the folder, in path order, hidden ones left out. Raises ``BadInput`` when it is none."""
        root = self.root
        try:
            if (kind := storage.kind(root)) != "folder":
                what = "a file" if kind else "no such folder"
                raise BadInput(f"{root}: {what}; give the folder that holds the tracks' folders")
            infos = storage.list_files(root)
        except OSError as error:
            raise BadInput(
                f"{root}: cannot be listed ({error}); check the address, the access rights, "
                f"and for an object store AWS_ENDPOINT_URL and the credentials"
            ) from error
        uris = [(storage.uri_of(root, info), info.size) for info in infos]
        return tuple(File(uri, size, PurePosixPath(uri[len(root) :].lstrip("/"))) for uri, size in uris)

    @property
    def audio(self) -> list[File]:
        """The files that are audio by their name."""
        return [file for file in self.files if file.path.suffix.lower() in EXTENSIONS]

    def read(self, found: Iterable[tuple[str, str, File]]) -> Scan:
        """Rows of the files that a layout has found, as (track, label, file), from their headers, many at a time.

        A file that cannot be read as audio is a row too, with sample rate, channels and frames 0, and a problem.
        """
        found = list(found)
        with ThreadPoolExecutor(max_workers=max(1, self.threads)) as pool:
            headers = list(pool.map(lambda item: header(item[2].uri, item[2].bytes), found))
        stems, problems = [], []
        for (track, label, file), (info, etag, message) in zip(found, headers, strict=True):
            stems.append(to_stem(track, label, file, info, etag, self.split))
            if message:
                problems.append(Problem(track, label, file.uri, message, unreadable=True))
        return Scan(sorted(stems), problems)


class Layout(ABC):
    """How stems lie in a place. One of your own is a class that is made without arguments, in a module of your own."""

    def matches(self, place: Place) -> bool:
        """Whether the place is laid out like this; here any folder. Asked before ``scan``, by name or by listing."""
        return not place.is_manifest

    @abstractmethod
    def scan(self, place: Place) -> Scan:
        """Every stem that is there, and what is wrong with any: ``Place.read`` makes the rows.

        Whether a problem is an error is for the caller to say. Raises ``BadInput`` when nothing there is as it should be.
        """
