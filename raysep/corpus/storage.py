"""One way to reach bytes, local or in an object store.

Credentials and endpoints come from the standard environment variables (``AWS_ACCESS_KEY_ID``,
``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``, ``AWS_DEFAULT_REGION``, ``AWS_ENDPOINT_URL``).
A bare ``S3FileSystem()`` ignores ``AWS_ENDPOINT_URL``, so every room of raysep comes here instead.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from pyarrow import fs

from raysep.errors import BadInput, writing

if TYPE_CHECKING:
    import pyarrow as pa

COPY_BYTES = 8 << 20


def is_remote(uri: str) -> bool:
    """True for ``s3://…``; a plain path or ``file://…`` is local."""
    return "://" in uri and not uri.startswith("file://")


def absolute(uri: str) -> str:
    """The same place, independent of the working directory (workers have another one)."""
    if is_remote(uri):
        return uri.rstrip("/")
    return str(Path(uri.removeprefix("file://")).expanduser().resolve())


def join(uri: str, *parts: str) -> str:
    return "/".join([uri.rstrip("/"), *(part.strip("/") for part in parts)])


def filesystem(uri: str) -> tuple[fs.FileSystem, str]:
    """The pyarrow filesystem of a URI and the path inside it."""
    if uri.startswith("s3://"):
        return _s3(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")), uri[len("s3://") :]
    if is_remote(uri):
        raise BadInput(f"{uri}: storage of this kind is not supported; give a local path or s3://bucket/key")
    return fs.LocalFileSystem(), absolute(uri)


@lru_cache(maxsize=4)
def _s3(endpoint: str) -> fs.S3FileSystem:
    options: dict = {"region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"}
    if endpoint:
        parsed = urlparse(endpoint)
        options |= {"endpoint_override": parsed.netloc or parsed.path, "scheme": parsed.scheme or "https"}
    return fs.S3FileSystem(**options)


def exists(uri: str) -> bool:
    system, path = filesystem(uri)
    return system.get_file_info(path).type != fs.FileType.NotFound


def read_bytes(uri: str) -> bytes:
    """The whole file. Raises ``FileNotFoundError`` naming the URI."""
    system, path = filesystem(uri)
    try:
        with system.open_input_stream(path) as stream:
            return stream.read()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{uri}: no such file") from error


def read_table(uri: str) -> pa.Table:
    """A Parquet file as an Arrow table, read in this thread. Raises ``FileNotFoundError``, ``pyarrow.ArrowInvalid``.

    ``pyarrow.parquet.read_table`` scans on Arrow's own threads; one that still runs when the interpreter ends aborts the
    process, and a job that had done its work counts as failed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.BufferReader(read_bytes(uri))).read(use_threads=False)


def open_random(uri: str) -> pa.NativeFile:
    """A seekable file object: ranges are read, not the whole file."""
    system, path = filesystem(uri)
    return system.open_input_file(path)


def write_bytes(uri: str, data: bytes) -> None:
    """Write so that a reader sees either nothing or all of it.

    Locally: a temporary file in the same folder, flushed to disk, then renamed. In an object store a
    single PUT is already atomic. Two writers of the same bytes do no harm; the last one wins.
    """
    with writing(uri):
        if is_remote(uri):
            system, path = filesystem(uri)
            with system.open_output_stream(path) as stream:
                stream.write(data)
        else:
            with _replacing(uri) as temporary:
                temporary.write_bytes(data)


def _named(uri: str) -> Path:
    """A local file by its own name. A link of that name is not followed: what it leads to is somebody else's."""
    path = Path(os.path.abspath(Path(uri.removeprefix("file://")).expanduser()))
    return path.parent.resolve() / path.name


@contextmanager
def _replacing(uri: str) -> Iterator[Path]:
    """A path beside a local file; what is written to it is on the disk, and under the file's name, when the block ends well."""
    target = _named(uri)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def copy(source: str, target: str) -> None:
    """The same bytes at another place, as ``write_bytes`` leaves them; within one store they do not pass through here.

    Raises what reading raises, and ``OutputError``.
    """
    if not is_remote(source) and not is_remote(target):
        # Left in the reverse order: the copy is closed before it is made sure of and gets its name.
        with open(absolute(source), "rb") as stream, writing(target), _replacing(target) as new, new.open("wb") as out:
            shutil.copyfileobj(stream, out, COPY_BYTES)
    elif is_remote(source) and is_remote(target) and filesystem(source)[0] == filesystem(target)[0]:
        (system, path), (_, to) = filesystem(source), filesystem(target)
        if system.get_file_info(path).type != fs.FileType.File:
            raise FileNotFoundError(f"{source}: no such file")
        with writing(target):
            system.copy_file(path, to)
    else:
        write_bytes(target, read_bytes(source))


def link(source: str, target: str) -> None:
    """A local link to a local file, in place of whatever has that name. Raises ``OutputError``."""
    place = _named(target)
    with writing(target):
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}")
        temporary.symlink_to(absolute(source))
        temporary.replace(place)


def delete(uri: str) -> None:
    """Of a link, the link itself. What is not there, and what is no file, is left alone."""
    if is_remote(uri):
        system, path = filesystem(uri)
        if system.get_file_info(path).type == fs.FileType.File:
            system.delete_file(path)
    elif (named := _named(uri)).is_symlink() or named.is_file():
        named.unlink(missing_ok=True)


def list_files(uri: str, recursive: bool = True) -> list[fs.FileInfo]:
    """Files below a folder, in path order, without hidden ones and hidden folders. An absent folder gives none."""
    system, path = filesystem(uri)
    found = system.get_file_info(fs.FileSelector(path, recursive=recursive, allow_not_found=True))
    below = len(path.rstrip("/")) + 1
    files = [f for f in found if f.type == fs.FileType.File and not _is_hidden(f.path[below:])]
    return sorted(files, key=lambda f: f.path)


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def uri_of(root: str, info: fs.FileInfo) -> str:
    """The URI of a listed file, in the scheme of the folder it was listed from."""
    return f"s3://{info.path}" if root.startswith("s3://") else info.path


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
