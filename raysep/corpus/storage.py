"""One way to reach bytes, local or in an object store.

Credentials and endpoints come from the standard environment variables (``AWS_ACCESS_KEY_ID``,
``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``, ``AWS_DEFAULT_REGION``, ``AWS_ENDPOINT_URL``).

What is here waits while the storage cannot be reached, in every process alike: ``raysep.corpus.retry`` says for how long, and
what it then raises. ``StorageUnreachable`` and ``StorageRefused`` are not for those who report a file as failed.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from raysep.corpus.stores import Listed, Store, store_of
from raysep.corpus.stores.ranges import Ranges
from raysep.corpus.stores.store import unfinished
from raysep.errors import BadInput, writing

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import fs

DOTS = re.compile(r"(^|/)\.{1,2}(/|$)|//")
NO_BUCKET = re.compile(r"(s3|gs|abfss?|hdfs):(/*$|/(?!/))")
HELD_BYTES = 8 << 20
BUFFER_BYTES = 64 * 1024  # turns libsndfile's many small reads into one request


def is_remote(uri: str) -> bool:
    """True for ``s3://…``; a plain path or ``file://…`` is local."""
    return "://" in uri and not uri.startswith("file://")


def absolute(uri: str) -> str:
    """The same place, independent of the working directory (workers have another one).

    Raises ``BadInput`` for no name at all, which would be the working directory, for one that is no UTF-8, which no table and
    no store could hold, for an address without a bucket, and where names of files cannot be read as what they are.
    """
    if not uri.strip() or "\0" in uri:
        raise BadInput(f"{uri!r}: no path; give one (. is the folder that you are in)")
    if (encoding := sys.getfilesystemencoding()) != "utf-8" and not is_remote(uri):
        raise BadInput(
            f"{_shown(uri)}: Python reads names of files as {encoding} here, which spoils most; set PYTHONUTF8=1"
        )
    try:
        uri.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{_shown(uri)}: a name that is no UTF-8, which no table can hold; rename it") from None
    if NO_BUCKET.match(uri):
        raise BadInput(f"{uri}: an address without a bucket; write s3://bucket/key")
    if is_remote(uri):
        return uri.rstrip("/")
    try:
        return str(Path(uri.removeprefix("file://")).expanduser().resolve())
    except RuntimeError as error:  # nobody's home, or a ring of links
        raise BadInput(f"{uri}: cannot be found ({str(error).rstrip('.')}); write the path out") from None


def _shown(uri: str) -> str:
    """The bytes of a name as text, what is none written out."""
    return uri.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def join(uri: str, *parts: str) -> str:
    return "/".join([uri.rstrip("/"), *(part.strip("/") for part in parts)])


def beside(folder: str, path: str) -> str:
    """Where a path leads that a file in this folder holds: absolute ones, URIs and those of a home folder where they say.

    Without ``.`` and ``..``, so that one file has one address however it is written; a URI is the store's own word.
    """
    if path.startswith("~/"):
        return absolute(path)
    if is_remote(path):
        return path
    path = path.removeprefix("file://")
    whole = path if path.startswith("/") else join(folder, path)
    scheme, mark, rest = whole.rpartition("://")
    if not DOTS.search(rest):
        return whole
    plain = f"{scheme}{mark}{_without_dots(rest, empty=bool(mark))}"
    if mark or ".." not in path.split("/"):
        return plain
    # Behind a linked folder .. leads elsewhere than it reads.
    return plain if os.path.realpath(plain) == os.path.realpath(whole) else whole


def _without_dots(path: str, empty: bool) -> str:
    """``empty``: whether what stands between two slashes may be nothing, as in a store's keys."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == ".." and len(kept) > 1:
            kept.pop()
        elif part != "." and (part or empty or not kept):
            kept.append(part)
    return "/".join(kept)


def folder_above(uris: Iterable[str]) -> str:
    """The nearest folder that all of them lie in; "" when they share none."""
    shared: list[str] | None = None
    for uri in uris:
        parts = uri.split("/")[:-1]
        shared = parts if shared is None else shared
        if parts[: len(shared)] != shared:
            same = (k for k, (one, other) in enumerate(zip(shared, parts, strict=False)) if one != other)
            shared = shared[: next(same, len(parts))]
    return "/".join(shared or [])


def filesystem(uri: str) -> tuple[fs.FileSystem, str]:
    """A pyarrow file system of a URI and the path inside it, for Ray, which keeps states by one.

    It is as patient as all else here, in whatever process. Raises ``BadInput`` for an address that Ray would take for
    another one.
    """
    from raysep.corpus.stores.filesystem import file_system

    store_of(uri)
    if is_remote(uri) and "//" in uri.partition("://")[2]:
        raise BadInput(
            f"{uri}: an address with a double slash, which Ray cannot keep its states at; give another --out"
        )
    return file_system(uri if is_remote(uri) else absolute(uri))


def kind(uri: str) -> str:
    """``"file"``, ``"folder"``, or ``""`` when nothing is there."""
    store, place = _at(uri)
    return store.kind(place)


def look_up(uri: str) -> Listed | None:
    """Size and time of a file; None when there is none."""
    store, place = _at(uri)
    return store.look_up(place)


def exists(uri: str) -> bool:
    return bool(kind(uri))


def read_bytes(uri: str) -> bytes:
    """The whole file. Raises ``FileNotFoundError`` naming the URI."""
    store, place = _at(uri)
    return store.read(place)


def read_table(uri: str) -> pa.Table:
    """A Parquet file as an Arrow table, read in this thread. Raises ``FileNotFoundError``, ``pyarrow.ArrowInvalid``.

    ``pyarrow.parquet.read_table`` scans on Arrow's own threads; one that still runs when the interpreter ends aborts the
    process, and a job that had done its work counts as failed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.BufferReader(read_bytes(uri))).read(use_threads=False)


def open_random(uri: str) -> Ranges:
    """A seekable file object: ranges are read, not the whole file."""
    store, place = _at(uri)
    return store.ranges(place)


def open_whole(uri: str) -> io.BufferedReader:
    """A seekable file object of a file that is read from its beginning to its end: of a store in one request.

    What came is held in memory, and beyond ``HELD_BYTES`` in a file without a name in the folder for temporary ones.
    """
    store, place = _at(uri)
    if not is_remote(uri):
        return io.BufferedReader(store.ranges(place), BUFFER_BYTES)
    held = tempfile.SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115 - it is for the caller to close
    try:
        store.fetch(place, cast(BinaryIO, held))
        held.seek(0)
    except BaseException:
        held.close()
        raise
    return io.BufferedReader(cast(io.RawIOBase, held), BUFFER_BYTES)


def write_bytes(uri: str, data: bytes) -> None:
    """Write so that a reader sees either nothing or all of it. Raises ``OutputError`` when the place cannot be written.

    Locally: a temporary file in the same folder, flushed to disk, then renamed; a link of that name is replaced, not followed.
    In an object store a single PUT is already atomic. Two writers of the same bytes do no harm; the last one wins.
    """
    store, place = _at_itself(uri)
    with writing(uri):
        store.write(place, data)


def create(uri: str, data: bytes) -> bool:
    """Write a small file unless there is one; whether it was written. Of several who do so at once one does.

    Where a store cannot do that (Google's, Azure's and Hadoop's through pyarrow) it is looked for first, and then written.
    """
    store, place = _at_itself(uri)
    with writing(uri):
        return store.create(place, data)


def upload(file: Path, uri: str) -> None:
    """Write what a file of this machine holds, likewise, without having all of it in memory."""
    store, place = _at_itself(uri)
    with writing(uri):
        store.upload(file, place)


def copy(source: str, target: str) -> None:
    """The same bytes at another place, as ``write_bytes`` leaves them; within one store they do not pass through here.

    Raises what reading raises, and ``OutputError``.
    """
    (store, place), (other, to) = _at(source), _at_itself(target)
    if kind(source) != "file":
        raise FileNotFoundError(f"{source}: no such file")
    if not is_remote(source):
        upload(Path(place), target)
    elif store is other:
        with writing(target):
            store.copy(place, to)
    else:
        write_bytes(target, read_bytes(source))


def link(source: str, target: str) -> None:
    """A local link to a local file, in place of whatever has that name. Raises ``OutputError``."""
    place = _itself(target)
    with writing(target):
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = unfinished(place)
        temporary.symlink_to(absolute(source))
        temporary.replace(place)


def delete(uri: str) -> None:
    """Of a link, the link itself. What is not there, and what is no file, is left alone."""
    if is_remote(uri):
        store, place = _at(uri)
        store.delete(place)
    elif (own := _itself(uri)).is_symlink() or own.is_file():
        own.unlink(missing_ok=True)


def delete_folder(uri: str) -> None:
    """With all that is below it."""
    store, place = _at(uri)
    store.delete_folder(place)


def list_files(uri: str, recursive: bool = True, hidden: bool = False) -> list[Listed]:
    """Files below a folder, in path order, without hidden ones and hidden folders unless asked. An absent folder gives none.

    Raises ``NotADirectoryError`` for a local file.
    """
    store, place = _at(uri)
    start = len(place.rstrip("/")) + 1
    found = [f for f in store.list(place, recursive) if hidden or not _is_hidden(f.uri[start:])]
    return sorted(found, key=lambda f: f.path)


def list_some(uri: str, most: int) -> list[Listed]:
    """Of what lies below a folder the first ``most`` that the store names; none where it would have to name all to say so."""
    store, place = _at(uri)
    return list(islice(store.list(place, recursive=True), most)) if store.in_pages else []


def _at(uri: str) -> tuple[Store, str]:
    """The store, and the URI as it takes it."""
    return (store_of(uri), uri) if is_remote(uri) else (store_of(""), absolute(uri))


def _at_itself(uri: str) -> tuple[Store, str]:
    """The same for what is to be written: a local link of that name is not followed."""
    return (store_of(uri), uri) if is_remote(uri) else (store_of(""), str(_itself(uri)))


def _itself(uri: str) -> Path:
    """A local file by its own name: what a link of that name leads to is somebody else's."""
    path = Path(os.path.abspath(Path(uri.removeprefix("file://")).expanduser()))
    return path.parent.resolve() / path.name


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def uri_of(root: str, info: Listed) -> str:
    """The URI of a listed file, in the scheme of the folder it was listed from."""
    return info.uri


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
