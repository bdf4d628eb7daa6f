"""What a store does. Each of its requests is patient with outages by itself: see ``raysep.corpus.retry``."""

from __future__ import annotations

import os
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

from raysep.corpus.stores.ranges import Ranges

LAST_NS = 2**63 - 1
NAME_BYTES = 200  # of a file's name, in that of the one which becomes it
BLOCK_BYTES = 8 << 20  # of a request of a large file


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a listing, all of it told by the listing itself."""

    uri: str
    size: int  # bytes
    etag: str = ""  # the store's own, of a file's version; folders have none
    modified: int = (
        0  # nanoseconds since 1970, of a file of this machine as ``last_change`` says; 0: the store does not say
    )

    @property
    def path(self) -> str:
        """Without the scheme: ``bucket/key``, or the path itself."""
        return self.uri.partition("://")[2] or self.uri

    @property
    def base_name(self) -> str:
        return self.uri.rpartition("/")[2]


def unfinished(target: Path) -> Path:
    """A hidden file beside a file of this machine that is to take its place: its name fits wherever the target's does."""
    name = target.name.encode()[:NAME_BYTES].decode(errors="ignore")
    return target.with_name(f".{name}.{uuid.uuid4().hex[:8]}")


def last_change(at: os.stat_result) -> int:
    """Of a file of this machine, in nanoseconds since 1970, by whichever time is later.

    Anybody can set the time at which it was written; the time at which anything of it was changed, that one too, is the
    system's own. A time after the year 2262, which no table can hold, is that year's.
    """
    return min(max(at.st_mtime_ns, at.st_ctime_ns), LAST_NS)


class Store(ABC):
    """Every method may raise ``StorageUnreachable`` and ``StorageRefused``; those that read, ``FileNotFoundError``."""

    in_pages: ClassVar[bool] = False  # a list comes in parts, and need not be taken to its end

    @abstractmethod
    def kind(self, uri: str) -> str:
        """``"file"``, ``"folder"``, or ``""`` when nothing is there."""

    @abstractmethod
    def look_up(self, uri: str) -> Listed | None:
        """What a listing would tell of one file; None when there is none."""

    @abstractmethod
    def read(self, uri: str) -> bytes:
        """The whole file."""

    @abstractmethod
    def ranges(self, uri: str) -> Ranges:
        """The file to be read by ranges."""

    def fetch(self, uri: str, to: BinaryIO) -> None:
        """The whole file into another one, which is empty."""
        with self.ranges(uri) as stream:
            shutil.copyfileobj(stream, to, BLOCK_BYTES)

    @abstractmethod
    def write(self, uri: str, data: bytes) -> None:
        """A reader sees nothing or all of it; two writers of the same do no harm."""

    def create(self, uri: str, data: bytes) -> bool:
        """Write a small file where there is none, and say whether that was so."""
        if self.kind(uri):
            return False
        self.write(uri, data)
        return True

    @abstractmethod
    def upload(self, file: Path, uri: str) -> None:
        """Write what a file of this machine holds, however large, likewise."""

    @abstractmethod
    def delete(self, uri: str) -> None:
        """A file; nothing when there is none."""

    @abstractmethod
    def delete_folder(self, uri: str) -> None:
        """Everything below a folder; nothing when there is none."""

    @abstractmethod
    def list(self, uri: str, recursive: bool) -> Iterator[Listed]:
        """Every file below a folder, hidden ones too, in any order; none below one that is not there."""

    def copy(self, source: str, target: str) -> None:
        """Within this store, without the bytes coming here where the store can do that."""
        self.write(target, self.read(source))
