"""A store as a file system of pyarrow's, which Ray Train and Ray Tune keep their states by.

pyarrow's own for S3 forgets how patient it is to be when it is sent to another process, and knows no outage of minutes.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from raysep.corpus.stores import store_of
from raysep.corpus.stores.store import Listed

READ_BYTES = 8 << 20  # of one request of a stream that is read from its beginning to its end
TYPES = {"file": fs.FileType.File, "folder": fs.FileType.Directory, "": fs.FileType.NotFound}


def file_system(uri: str) -> tuple[fs.FileSystem, str]:
    """(file system, path in it) of a URI."""
    scheme, separator, path = uri.partition("://")
    if not separator:
        return fs.LocalFileSystem(), uri
    return fs.PyFileSystem(Handler(f"{scheme}://")), path


@dataclass(frozen=True)
class Handler(fs.FileSystemHandler):
    """Paths are URIs without the scheme. There are no empty folders: one is there when something is in it."""

    scheme: str

    def get_type_name(self) -> str:
        return "raysep"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Iterable[str]) -> list[fs.FileInfo]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        files = list(store_of(self.scheme).list(self.scheme + selector.base_dir, recursive=True))
        if not files and not selector.allow_not_found:
            raise FileNotFoundError(f"{self.scheme}{selector.base_dir}: no such folder")
        return _within(files, selector.base_dir, selector.recursive)

    def create_dir(self, path: str, recursive: bool) -> None:
        """Nothing to do: a file brings its folder with it."""

    def delete_dir(self, path: str) -> None:
        store_of(self.scheme).delete_folder(self.scheme + path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        self.delete_dir(path)

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError("a whole store is never emptied")

    def delete_file(self, path: str) -> None:
        store_of(self.scheme).delete(self.scheme + path)

    def move(self, source: str, target: str) -> None:
        self.copy_file(source, target)
        self.delete_file(source)

    def copy_file(self, source: str, target: str) -> None:
        store_of(self.scheme).copy(self.scheme + source, self.scheme + target)

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return pa.PythonFile(io.BufferedReader(store_of(self.scheme).ranges(self.scheme + path), READ_BYTES), mode="r")

    def open_input_file(self, path: str) -> pa.NativeFile:
        return self.open_input_stream(path)

    def open_output_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        return pa.PythonFile(_Uploaded(self.scheme + path), mode="w")

    def open_append_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        raise NotImplementedError("an object cannot be appended to")

    def _info(self, path: str) -> fs.FileInfo:
        uri = self.scheme + path
        kind = store_of(uri).kind(uri)
        size = store_of(uri).ranges(uri).size() if kind == "file" else None
        return fs.FileInfo(path, TYPES[kind], size=size)


class _Uploaded(io.RawIOBase):
    """A stream to a file of this machine, which is in the store when the stream is closed."""

    def __init__(self, uri: str) -> None:
        self._uri, self._file = uri, tempfile.NamedTemporaryFile(prefix="raysep-")  # noqa: SIM115 - closed by close()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        if not self.closed:
            try:
                self._file.flush()
                store_of(self._uri).upload(Path(self._file.name), self._uri)
            finally:
                self._file.close()
                super().close()


def _within(files: Iterable[Listed], folder: str, recursive: bool) -> list[fs.FileInfo]:
    """The files below a folder, and the folders that these lie in; only what lies directly in it unless ``recursive``."""
    start = len(folder.rstrip("/")) + 1
    found: dict[str, fs.FileInfo] = {}
    for file in files:
        steps = file.path[start:].split("/")
        for depth in range(1, len(steps)):
            path = file.path[:start] + "/".join(steps[:depth])
            if recursive or depth == 1:
                found[path] = fs.FileInfo(path, fs.FileType.Directory)
        if recursive or len(steps) == 1:
            found[file.path] = fs.FileInfo(file.path, fs.FileType.File, size=file.size, mtime_ns=file.modified or None)
    return list(found.values())
