"""Which audio files are meant by files, folders and patterns, and a name for each that no other has."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import PurePosixPath

from raysep.corpus import storage
from raysep.corpus.layouts.headers import EXTENSIONS
from raysep.errors import BadInput

WILD = re.compile(r"[*?[]")


@dataclass(frozen=True)
class InputFile:
    uri: str
    name: str  # may hold slashes: the path below the folder that was given, without the extension


def find(inputs: Sequence[str], apart_from: str) -> list[InputFile]:
    """The sources in the order given, each once; ``apart_from`` is a folder whose files are never found by search.

    An input is a file, a folder (all audio below it, by extension) or a pattern with ``*``, ``?``, ``[…]`` and ``**``,
    local or ``s3://``. Raises ``BadInput`` for one that is not there or holds no audio.
    """
    found: dict[str, str] = {}  # uri -> name
    for given in inputs:
        uri = storage.absolute(given)
        kind = storage.kind(uri)
        if kind == "file":
            below = [uri]
        elif kind == "folder":
            below = [u for u in _below(uri) if u.lower().endswith(EXTENSIONS)]
        elif WILD.search(uri):
            below = _matching(uri)
        else:
            raise BadInput(f"{given}: no such file or folder")
        if kind != "file":
            below = [u for u in below if not u.startswith(f"{storage.absolute(apart_from)}/")]
        if not below:
            raise BadInput(f"{given}: no audio there; known are {', '.join(EXTENSIONS)}")
        for each in below:
            relative = each.removeprefix(f"{uri}/") if kind == "folder" else PurePosixPath(each).name
            found.setdefault(each, str(PurePosixPath(relative).with_suffix("")))
    if not found:
        raise BadInput("no input: give audio files, folders or patterns")
    return [InputFile(uri, name) for uri, name in told_apart(found).items()]


def told_apart(names: dict[str, str]) -> dict[str, str]:
    """The same names by URI, but where several are equal, each becomes longer until they differ.

    First the extension is added, then the folders that the file lies in, one after another: ``song`` of ``a/song.wav``
    and ``a/song.flac`` become ``song.wav`` and ``song.flac``; of ``a/song.wav`` and ``b/song.wav``, ``a/song`` and
    ``b/song``. Upper and lower case count as equal, as some file systems have it.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for uri, name in names.items():
        groups[name.casefold()].append(uri)
    taken = {name for name, uris in groups.items() if len(uris) == 1}
    result = dict(names)
    for uris in groups.values():
        if len(uris) == 1:
            continue
        longer = next(
            new for new in _longer(names, uris) if len(_folded(new)) == len(uris) and not _folded(new) & taken
        )
        taken |= _folded(longer)
        result |= longer
    return result


def _folded(names: dict[str, str]) -> set[str]:
    return {name.casefold() for name in names.values()}


def _longer(names: dict[str, str], uris: list[str]) -> Iterator[dict[str, str]]:
    """Ever longer names for some files, up to their whole paths; then numbered ones (paths may differ in case alone)."""
    paths = {uri: PurePosixPath(uri.partition("://")[2] or uri.lstrip("/")) for uri in uris}
    yield {uri: names[uri] + paths[uri].suffix for uri in uris}
    for parts in range(2, 1 + max(len(path.parts) for path in paths.values())):
        for bare in (True, False):
            yield {u: "/".join((p.with_suffix("") if bare else p).parts[-parts:]) for u, p in paths.items()}
    for first in count(1):
        yield {uri: f"{names[uri]}-{number}" for number, uri in enumerate(uris, start=first)}


def _below(folder: str, recursive: bool = True) -> list[str]:
    return [storage.uri_of(folder, info) for info in storage.list_files(folder, recursive)]


def _matching(pattern: str) -> list[str]:
    """The files that match; what stands before the first wild part is listed."""
    scheme, separator, path = pattern.rpartition("://")
    parts = path.split("/")
    first = next(i for i, part in enumerate(parts) if WILD.search(part))
    root, wild = scheme + separator + "/".join(parts[:first]), "/".join(parts[first:])
    matches = re.compile(_expression(wild)).fullmatch
    return [uri for uri in _below(root or "/", recursive="/" in wild) if matches(uri.removeprefix(f"{root}/"))]


def _expression(pattern: str) -> str:
    """A pattern of the shell as a regular expression; ``**/`` is any folders, also none, and ``*`` stays in one."""
    tokens = re.findall(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        known.get(t) or (t.replace("[!", "[^", 1) if len(t) > 2 and t.startswith("[") else re.escape(t)) for t in tokens
    )
