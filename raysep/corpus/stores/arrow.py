"""Folders of this machine, and the stores that pyarrow reaches: Google's, Azure's, Hadoop's."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, TypeVar

from pyarrow import fs

from raysep.corpus.retry import CutShort, patiently
from raysep.corpus.stores.ranges import Ranges
from raysep.corpus.stores.store import Listed, Store, last_change, unfinished
from raysep.errors import BadInput, StorageUnreachable

T = TypeVar("T")
KINDS = {fs.FileType.File: "file", fs.FileType.Directory: "folder"}
BRIEF = "?retry_limit_seconds=5"  # Google's client would try for 15 minutes by itself: ``patiently`` says for how long
COPIED_BYTES = 8 << 20


class Arrow(Store):
    """A store by one of pyarrow's file systems."""

    def place(self, uri: str) -> tuple[fs.FileSystem, str]:
        """The file system, and the path in it."""
        raise NotImplementedError

    def uri(self, of: str, path: str) -> str:
        """The URI of a path in the file system of another URI."""
        raise NotImplementedError

    def patiently(self, uri: str, action: Callable[[], T]) -> T:
        return patiently(action, uri)

    def kind(self, uri: str) -> str:
        return KINDS.get(self._info(uri).type, "")

    def look_up(self, uri: str) -> Listed | None:
        info = self._info(uri)
        return Listed(uri, info.size, "", info.mtime_ns or 0) if info.type == fs.FileType.File else None

    def read(self, uri: str) -> bytes:
        def whole() -> bytes:
            system, path = self.place(uri)
            with system.open_input_file(path) as stream:
                data: bytes = stream.read()
                return _of_length(data, stream.size())

        return self.patiently(uri, whole)

    def ranges(self, uri: str) -> Ranges:
        held: list[Any] = []  # the open file, until a request of it fails

        def opened() -> Any:
            if not held:
                system, path = self.place(uri)
                held.append(system.open_input_file(path))
            return held[0]

        def close() -> None:
            while held:
                with contextlib.suppress(OSError):
                    held.pop().close()

        def fetch(start: int, stop: int) -> bytes:
            try:
                stream = opened()
                wanted = min(stop, stream.size()) - start
                if wanted <= 0:
                    return b""
                stream.seek(start)
                return _of_length(stream.read(wanted), wanted)
            except OSError:
                close()
                raise

        self.patiently(uri, opened)
        return Ranges(
            lambda start, stop: self.patiently(uri, lambda: fetch(start, stop)),
            lambda: self.patiently(uri, lambda: int(opened().size())),
            close,
        )

    def delete(self, uri: str) -> None:
        system, path = self.place(uri)
        if self.kind(uri) == "file":
            with contextlib.suppress(FileNotFoundError):  # somebody else was first, or a try whose answer was lost
                self.patiently(uri, lambda: system.delete_file(path))

    def delete_folder(self, uri: str) -> None:
        system, path = self.place(uri)
        if self.kind(uri) == "folder":
            with contextlib.suppress(FileNotFoundError):
                self.patiently(uri, lambda: system.delete_dir(path))

    def list(self, uri: str, recursive: bool) -> Iterator[Listed]:
        system, path = self.place(uri)
        chosen = fs.FileSelector(path, recursive=recursive, allow_not_found=True)
        for info in self.patiently(uri, lambda: system.get_file_info(chosen)):
            if info.type == fs.FileType.File:
                yield Listed(self.uri(uri, info.path), info.size, "", info.mtime_ns or 0)

    def _info(self, uri: str) -> fs.FileInfo:
        system, path = self.place(uri)
        return self.patiently(uri, lambda: system.get_file_info(path))


class Local(Arrow):
    """Folders of this machine, mounted ones too: what a mount says when it is away is waited for."""

    def place(self, uri: str) -> tuple[fs.FileSystem, str]:
        return _local(), uri

    def uri(self, of: str, path: str) -> str:
        return path

    def patiently(self, uri: str, action: Callable[[], T]) -> T:
        """A broken sector says EIO as a broken mount does, but its folder answers: then it is the file's own error."""
        try:
            return patiently(action, uri)
        except StorageUnreachable as error:
            if getattr(error.__cause__, "errno", None) != errno.EIO or not _answers(os.path.dirname(uri)):
                raise
        return action()  # the mount may have come back just now

    def read(self, uri: str) -> bytes:
        _refuse_special(uri)
        return super().read(uri)

    def ranges(self, uri: str) -> Ranges:
        _refuse_special(uri)
        return super().ranges(uri)

    def look_up(self, uri: str) -> Listed | None:
        def found() -> Listed | None:
            try:
                at = os.stat(uri)
            except (FileNotFoundError, NotADirectoryError):
                return None
            return Listed(uri, at.st_size, "", last_change(at)) if stat.S_ISREG(at.st_mode) else None

        return self.patiently(uri, found)

    def list(self, uri: str, recursive: bool) -> Iterator[Listed]:
        try:
            yield from super().list(uri, recursive)
        except UnicodeDecodeError:
            first = next((name for name in _names_below(uri) if not _is_text(name)), uri)
            shown = os.fsencode(first).decode("utf-8", "backslashreplace")
            raise BadInput(f"{shown}: a name that is no UTF-8, which no table can hold; rename it") from None

    def write(self, uri: str, data: bytes) -> None:
        """A temporary file in the same folder, flushed to disk, then renamed."""
        target = Path(uri)

        def whole() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = unfinished(target)
            try:
                with temporary.open("wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)

        self.patiently(uri, whole)

    def create(self, uri: str, data: bytes) -> bool:
        def made() -> bool:
            Path(uri).parent.mkdir(parents=True, exist_ok=True)
            try:
                with open(uri, "xb") as stream:
                    _whole(stream, data, uri)
            except FileExistsError:
                return False
            return True

        return self.patiently(uri, made)

    def upload(self, file: Path, uri: str) -> None:
        target = Path(uri)

        def whole() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = unfinished(target)
            try:
                shutil.copyfile(file, temporary)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)

        self.patiently(uri, whole)


def _whole(stream: IO[bytes], data: bytes, path: str) -> None:
    """Write it; of a file for which there is no room nothing stays, which would seem to be somebody's."""
    try:
        stream.write(data)
        stream.flush()
    except OSError:
        os.unlink(path)
        raise


class Remote(Arrow):
    """``gs://bucket/key``, ``abfs://container@account.dfs.core.windows.net/key``, ``hdfs://host:port/path``."""

    def place(self, uri: str) -> tuple[fs.FileSystem, str]:
        root, key = _root(uri)
        system, base = _remote(root)
        return system, f"{base}/{key}" if key else base or "/"

    def uri(self, of: str, path: str) -> str:
        root, _ = _root(of)
        return f"{root}/{path[len(_remote(root)[1]) :].lstrip('/')}"

    def write(self, uri: str, data: bytes) -> None:
        self._leave(uri, lambda stream: stream.write(data))

    def upload(self, file: Path, uri: str) -> None:
        def copy(stream: Any) -> None:
            with file.open("rb") as source:
                shutil.copyfileobj(source, stream, COPIED_BYTES)

        self._leave(uri, copy)

    def _leave(self, uri: str, fill: Callable[[Any], Any]) -> None:
        """An object appears when its stream is closed. A file of Hadoop grows in sight, so it is renamed when it is whole."""
        system, path = self.place(uri)
        grows = uri.startswith("hdfs://")

        def whole() -> None:
            written = f"{path}.{uuid.uuid4().hex[:8]}.part" if grows else path
            with system.open_output_stream(written) as stream:
                fill(stream)
            if grows:
                if system.get_file_info(path).type == fs.FileType.File:
                    system.delete_file(path)
                system.move(written, path)

        self.patiently(uri, whole)


def _root(uri: str) -> tuple[str, str]:
    """(``gs://bucket``, ``key``): all that names the store, and the rest as it is."""
    scheme, _, rest = uri.partition("://")
    host, _, key = rest.partition("/")
    return f"{scheme}://{host}", key


@lru_cache(maxsize=1)
def _local() -> fs.LocalFileSystem:
    return fs.LocalFileSystem()


@lru_cache(maxsize=8)
def _remote(root: str) -> tuple[fs.FileSystem, str]:
    try:
        system, base = fs.FileSystem.from_uri(f"{root}/{BRIEF if root.startswith('gs:') else ''}")
    except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's own are among these
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{root}: pyarrow cannot use storage of this kind here ({told})") from None
    return system, base.rstrip("/")


def _refuse_special(uri: str) -> None:
    """Raise ``OSError`` for a pipe, a socket or a device: who opens one may wait for ever. What cannot be asked is left alone."""
    try:
        mode = os.stat(uri).st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "a pipe, a socket or a device, and no file")


def _of_length(data: bytes, expected: int) -> bytes:
    if len(data) < expected:
        raise CutShort(f"{len(data)} of {expected} bytes came")
    return data


def _answers(folder: str) -> bool:
    try:
        os.listdir(folder)
    except OSError:
        return False
    return True


def _names_below(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield os.path.join(parent, name)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
