"""What lies below a folder: every file once, whichever way leads to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from raysep.corpus import storage
from raysep.corpus.layouts.headers import EXTENSIONS, File
from raysep.corpus.layouts.notes import Note, several
from raysep.corpus.stores.store import last_change
from raysep.errors import BadInput


@dataclass(frozen=True)
class Listing:
    files: tuple[File, ...]  # in path order, hidden ones left out
    notes: tuple[Note, ...] = ()


def listing(root: str) -> Listing:
    """Every file below a folder, local or in a store. Raises ``BadInput`` when it is none, or a name is not text."""
    try:
        if (kind := storage.kind(root)) != "folder":
            what = "a file" if kind else "no such folder"
            raise BadInput(f"{root}: {what}; give the folder that holds the tracks' folders")
        return _in_store(root) if storage.is_remote(root) else _local(root)
    except OSError as error:
        raise BadInput(
            f"{root}: cannot be listed ({error}); check the address, the access rights, "
            f"and for an object store AWS_ENDPOINT_URL and the credentials"
        ) from error


def _in_store(root: str) -> Listing:
    infos = [(storage.uri_of(root, info), info) for info in storage.list_files(root)]
    return Listing(
        tuple(File(uri, info.size, PurePosixPath(uri[len(root) :].lstrip("/")), info.modified) for uri, info in infos)
    )


def _local(root: str) -> Listing:
    walk = _Walk(root)
    walk.follow_links()
    found = sorted(walk.files)
    if strange := [path for path in found if not _is_text(path) and Path(path).suffix.lower() in EXTENSIONS]:
        raise BadInput(
            f"{root}: {several(len(strange), 'name')} not text in UTF-8, first {os.fsencode(strange[0])!r}; rename "
            f"{'it' if len(strange) == 1 else 'them'}"
        )
    files = (
        File(path, walk.files[path].st_size, PurePosixPath(os.path.relpath(path, root)), last_change(walk.files[path]))
        for path in found
        if _is_text(path)
    )
    return Listing(tuple(files), tuple(walk.notes()))


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Walk:
    """A walk that enters every real folder once: first what lies here itself, then what links lead to."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.files: dict[str, os.stat_result] = {}
        self.links: list[str] = []  # still to be followed
        self.again: list[str] = []  # that lead to what was seen before
        self.nowhere: list[str] = []
        self._seen: set[str] = set()  # real paths
        self._enter(root)

    def follow_links(self) -> None:
        while self.links:
            waiting, self.links = sorted(self.links), []
            for link in waiting:
                self._follow(link)

    def notes(self) -> Iterator[Note]:
        for kind, paths, why in (
            ("link", self.again, "to what is listed already"),
            ("dangling", self.nowhere, "to nothing"),
        ):
            if paths:
                first = os.path.relpath(min(paths), self.root)
                yield Note(kind, len(paths), first, f"{several(len(paths), 'link')} {why}, first {first}")

    def _follow(self, link: str) -> None:
        target = os.path.realpath(link)
        if not os.path.exists(target):
            self.nowhere.append(link)
        elif target in self._seen:
            self.again.append(link)
        elif os.path.isdir(target):
            self._enter(link)
        else:
            self._add(link, target, os.stat(link))

    def _enter(self, folder: str) -> None:
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            real = os.path.realpath(folder)
            if real in self._seen:
                continue
            self._seen.add(real)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_symlink():
                        self.links.append(entry.path)
                    elif entry.is_dir():
                        waiting.append(entry.path)
                    elif entry.is_file():
                        self._add(entry.path, os.path.join(real, entry.name), entry.stat())

    def _add(self, path: str, real: str, at: os.stat_result) -> None:
        self.files[path] = at
        self._seen.add(real)
