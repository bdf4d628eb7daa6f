"""What tells a file from every other: a hash of all its bytes, the same in every store and at every address."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from pyarrow import fs

from raysep.corpus import manifest, storage
from raysep.corpus.manifest import Stem

SHA256 = "sha256:"
CHANGED = "changed:"  # instead of it: of a row whose file holds other bytes by now. No file has it
BLOCK_BYTES = 8 << 20  # of a request to a store
SETTLED_NS = 2 * 10**9


def of_bytes(data: bytes) -> str:
    return SHA256 + hashlib.sha256(data).hexdigest()


def of_stream(stream: BinaryIO) -> str:
    """From its beginning to its end, a block at a time."""
    digest = hashlib.sha256()
    stream.seek(0)
    while block := stream.read(BLOCK_BYTES):
        digest.update(block)
    return SHA256 + digest.hexdigest()


def of_file(uri: str) -> str:
    """Raises ``OSError``."""
    with storage.open_random(uri) as stream:
        return of_stream(stream)


def is_known(etag: str) -> bool:
    """Whether it says what all bytes of a file are; older manifests, and those of others, hold something else."""
    return etag.startswith((SHA256, CHANGED))


def is_changed(etag: str) -> bool:
    return etag.startswith(CHANGED)


def is_other(stem: Stem, content: str) -> bool:
    """Whether this is not the content that the stem's row is about."""
    return is_known(stem.etag) and stem.etag != content


def untouched(stems: Sequence[Stem]) -> list[bool]:
    """Of each: its file has the size and the time of its last change that the row says. A file that is gone has not."""
    infos = _infos([stem.uri for stem in stems])
    return [
        bool(stem.modified) and stem.bytes == info.size and _same_time(stem, modified_of(info))
        for stem, info in zip(stems, infos, strict=True)
    ]


def as_before(stem: Stem, size: int, modified: int) -> bool:
    """Whether a file of a store, which sets the time itself, is still the one of the row, going by what a list says."""
    return storage.is_remote(stem.uri) and bool(stem.modified) and stem.bytes == size and _same_time(stem, modified)


def known_by(uri: str) -> list[Stem]:
    """The rows of a manifest whose files were there a while before it was written: a store's time is of whole seconds."""
    system, path = storage.filesystem(uri)
    info = system.get_file_info(path)
    if info.type != fs.FileType.File:
        return []
    return [
        stem for stem in manifest.read(uri) if is_known(stem.etag) and stem.modified < modified_of(info) - SETTLED_NS
    ]


def _same_time(stem: Stem, now: int) -> bool:
    """A store tells whole seconds of a file, and parts of them in a list."""
    step = 10**9 if storage.is_remote(stem.uri) else 1
    return stem.modified // step == now // step


def modified_of(info: fs.FileInfo) -> int:
    """Nanoseconds since 1970; 0 when the store does not say."""
    return int(info.mtime_ns or 0)


def _infos(uris: Iterable[str]) -> list[fs.FileInfo]:
    """In few requests: one for each kind of store, which asks for many files at a time."""
    found: dict[str, fs.FileInfo] = {}
    for remote in (False, True):
        part = [uri for uri in uris if storage.is_remote(uri) == remote]
        if part:
            system = storage.filesystem(part[0])[0]
            infos = system.get_file_info([storage.filesystem(uri)[1] for uri in part])
            found |= dict(zip(part, infos, strict=True))
    return [found[uri] for uri in uris]
