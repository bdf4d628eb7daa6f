"""What tells a file from every other: a hash of all its bytes, the same in every store and at every address."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from io import RawIOBase
from typing import BinaryIO

from raysep.audio import streams
from raysep.corpus import manifest, storage, tags
from raysep.corpus.manifest import Stem
from raysep.corpus.stores import Listed
from raysep.corpus.threads import in_threads

BLOCK_BYTES = 8 << 20
SETTLED_NS = 2 * 10**9
LISTED_FROM = 16  # files: fewer are asked for one by one
LISTED_TIMES = 4  # so many times the files that are looked for may be listed: a thousand of a request, against one


def of_stream(stream: BinaryIO | RawIOBase) -> str:
    """From its beginning to its end, a block at a time."""
    digest = hashlib.sha256()
    stream.seek(0)
    while block := stream.read(BLOCK_BYTES):
        digest.update(block)
    return tags.SHA256 + digest.hexdigest()


def of_file(uri: str) -> str:
    """Of a file, or of one stream of it. Raises ``OSError``."""
    file, number = streams.file_of(uri)
    with storage.open_whole(file) as stream:
        return tags.numbered(of_stream(stream), number)


def of_files(stem: Stem) -> str:
    """Of all that the stem is made of, as they are now. Raises ``OSError``."""
    return tags.joined([of_file(uri) for uri in stem.uris])


def is_other(stem: Stem, content: str) -> bool:
    """Whether this is not the content that the stem's row is about."""
    return tags.is_known(stem.etag) and stem.etag != content


def untouched(stems: Sequence[Stem]) -> list[bool]:
    """Of each: its files have the size and the time of the last change that the row says. A file that is gone has not.

    A sum's row says the sizes' sum and the last time alone, which a folder in a part's place that was renamed to be there
    would leave as they are; so only a store, which sets the time of a file at each place, is believed.
    """
    now = sizes_and_times(uri for stem in stems for uri in stem.uris)
    return [_as_told(stem, [now[uri] for uri in stem.uris]) for stem in stems]


def _as_told(stem: Stem, now: Sequence[tuple[int, int]]) -> bool:
    if stem.parts and not storage.is_remote(stem.uri):
        return False
    return _is_same(stem, sum(size for size, _ in now), _last(time for _, time in now))


def as_before(stem: Stem, now: Sequence[tuple[int, int]]) -> bool:
    """Whether the files are still those of the row, going by what a list says: (bytes, time of the last change) of each."""
    return _as_told(stem, now)


def _is_same(stem: Stem, size: int, modified: int) -> bool:
    """A store tells whole seconds of a file, and parts of them in a list."""
    step = 10**9 if storage.is_remote(stem.uri) else 1
    return bool(stem.modified) and stem.bytes == size and stem.modified // step == modified // step


def _last(times: Iterable[int]) -> int:
    """0 when one is not known."""
    found = list(times)
    return max(found) if all(found) else 0


def known_by(uri: str) -> list[Stem]:
    """The rows of a manifest whose files were there a while before it was written: a store's time is of whole seconds."""
    written = storage.look_up(uri)
    if written is None:
        return []
    return [
        stem
        for stem in manifest.read(uri)
        if tags.is_known(stem.etag) and not tags.is_changed(stem.etag) and stem.modified < written.modified - SETTLED_NS
    ]


def sizes_and_times(uris: Iterable[str]) -> dict[str, tuple[int, int]]:
    """uri → (bytes, time of the last change), zeros of a file that is gone; of a stream those of its file."""
    file_of = {uri: streams.file_of(uri)[0] for uri in uris}
    files = sorted(set(file_of.values()))
    found: dict[str, Listed | None] = dict(_listed(files))
    rest = [file for file in files if file not in found]
    found.update(zip(rest, in_threads(storage.look_up, rest), strict=True))  # a request each
    return {uri: (at.size, at.modified) if (at := found[file]) else (0, 0) for uri, file in file_of.items()}


def _listed(files: Sequence[str]) -> Iterator[tuple[str, Listed]]:
    """Those of the files of stores that a list of the folder above them tells, as long as it tells little else."""
    wanted, by_root = set(files), defaultdict(list)
    for file in files:
        if storage.is_remote(file):
            by_root["/".join(file.split("/", 3)[:3])].append(file)
    for own in by_root.values():
        if len(own) > LISTED_FROM:
            some = storage.list_some(storage.folder_above(own), LISTED_TIMES * len(own))
            yield from ((listed.uri, listed) for listed in some if listed.uri in wanted)
