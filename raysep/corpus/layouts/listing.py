"""What lies below a folder: every file once, whichever way leads to it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from raysep.corpus import storage
from raysep.corpus.layouts.headers import EXTENSIONS, File
from raysep.corpus.layouts.notes import Note, several
from raysep.corpus.names import folded
from raysep.corpus.stores.store import last_change
from raysep.errors import BadInput

# Folders that a system keeps for itself, in lower case: thumbnails, what was deleted, halves of files.
SYSTEM = frozenset(
    {
        "__macosx",
        "@eadir",
        "#recycle",
        "@recycle",
        "$recycle.bin",
        "recycler",
        "#snapshot",
        "system volume information",
        "lost+found",
    }
)
RUN = ("run.json", "manifest.parquet")  # side by side: what raysep's runs hold that write audio


@dataclass(frozen=True)
class Listing:
    files: tuple[File, ...]  # in path order, without hidden ones and what a system keeps for itself
    notes: tuple[Note, ...] = ()


def listing(root: str) -> Listing:
    """Every file below a folder, local or in a store. Raises ``BadInput`` when it is none, or a name is not text."""
    try:
        if (kind := storage.kind(root)) != "folder":
            what = "a file" if kind else "no such folder"
            raise BadInput(f"{root}: {what}; give the folder that holds the tracks' folders")
        return _without_runs(root, _in_store(root) if storage.is_remote(root) else _local(root))
    except OSError as error:
        raise BadInput(
            f"{root}: cannot be listed ({error}); check the address, the access rights, "
            f"and for an object store AWS_ENDPOINT_URL and the credentials"
        ) from error


def _without_runs(root: str, found: Listing) -> Listing:
    """Without what raysep's own runs hold: songs that faults were planted in. Raises ``BadInput`` for the folder of a run."""
    held = {file.path for file in found.files if file.path.name in RUN}
    runs = sorted({path.parent for path in held if all(path.with_name(name) in held for name in RUN)})
    if not runs:
        return found
    if not runs[0].parts:
        raise BadInput(
            f"{root}: the folder of a run, with songs that faults were planted in; give the corpus, or a manifest such as "
            f"{root}/cleaned.parquet"
        )
    files = tuple(file for file in found.files if not any(file.path.is_relative_to(run) for run in runs))
    return Listing(files, (*found.notes, *_note("run", [str(run) for run in runs], "")))


def _in_store(root: str) -> Listing:
    files, system, hidden = [], set(), set()
    for info in storage.list_files(root, hidden=True):
        uri = storage.uri_of(root, info)
        path = PurePosixPath(uri[len(root) :].lstrip("/"))
        odd = next((n for n, name in enumerate(path.parts, start=1) if name.startswith(".") or _is_system(name)), 0)
        folder = "/".join(path.parts[:odd])
        if not odd:
            files.append(File(uri, info.size, path, info.modified))
        elif _is_system(path.parts[odd - 1]):
            system.add(folder)
        elif odd < len(path.parts) and _is_audio(path.name):
            hidden.add(folder)
    return Listing(tuple(files), (*_note("system", system, ""), *_note("hidden", hidden, "")))


def _is_system(name: str) -> bool:
    return folded(name) in SYSTEM


def _is_audio(name: str) -> bool:
    return not name.startswith(".") and PurePosixPath(name).suffix.lower() in EXTENSIONS


WORDS = {  # kind of a note → what it is about, and what is said of it
    "link": ("link", "to what is listed already"),
    "dangling": ("link", "to nothing"),
    "special": ("special file", "(a pipe, a socket or a device)"),
    "system": ("folder", "that a system keeps for itself"),
    "run": ("run's folder", "of raysep, with songs that faults were planted in"),
    "hidden": ("hidden folder", "with audio, which a name without the dot would have read"),
}


def _note(kind: str, paths: Collection[str], root: str) -> list[Note]:
    """What is passed over, by the first path below ``root``; "" = they are below it already."""
    if not paths:
        return []
    noun, why = WORDS[kind]
    first = os.path.relpath(min(paths), root) if root else min(paths)
    return [Note(kind, len(paths), first, f"{several(len(paths), noun)} {why}, first {first}")]


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
        self.special: list[str] = []  # neither files nor folders: whoever opens one may wait for ever
        self.system: list[str] = []
        self.hidden: list[str] = []  # folders that hold audio
        self._seen: set[str] = set()  # real paths
        self._enter(root)

    def follow_links(self) -> None:
        while self.links:
            waiting, self.links = sorted(self.links), []
            for link in waiting:
                self._follow(link)

    def notes(self) -> Iterator[Note]:
        passed_over = {
            "link": self.again,
            "dangling": self.nowhere,
            "special": self.special,
            "system": self.system,
            "hidden": self.hidden,
        }
        for kind, paths in passed_over.items():
            yield from _note(kind, [path for path in paths if _is_text(path)], self.root)

    def _follow(self, link: str) -> None:
        target = os.path.realpath(link)
        if not os.path.exists(target):
            self.nowhere.append(link)
        elif target in self._seen:
            self.again.append(link)
        elif os.path.isdir(target):
            self._enter(link)
        elif os.path.isfile(target):
            self._add(link, target, os.stat(link))
        else:
            self.special.append(link)

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
                        self.hidden += [entry.path] if _holds_audio(entry) else []
                    elif entry.is_symlink():
                        self.links.append(entry.path)
                    elif entry.is_dir():
                        (self.system if _is_system(entry.name) else waiting).append(entry.path)
                    elif entry.is_file():
                        self._add(entry.path, os.path.join(real, entry.name), entry.stat())
                    else:
                        self.special.append(entry.path)

    def _add(self, path: str, real: str, at: os.stat_result) -> None:
        self.files[path] = at
        self._seen.add(real)


def _holds_audio(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, and audio lies directly in it; one that may not be looked into holds none."""
    if entry.is_symlink() or not entry.is_dir():
        return False
    with suppress(OSError), os.scandir(entry.path) as inside:
        return any(_is_audio(each.name) for each in inside)
    return False
