"""Bring Open-Unmix models in and out: the files around ``raysep.separators.umx``."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager

from raysep.corpus import outputs, storage
from raysep.errors import BadInput

SUFFIX = ".safetensors"


def convert(source: str, out: str, overwrite: bool = False) -> list[str]:
    """A folder of the openunmix package to a raysep checkpoint, or a checkpoint to such a folder; the URIs written.

    The direction follows from what ``source`` is. Raises ``BadInput`` when it is neither, or when ``out`` would lose
    something that is there.
    """
    from raysep.separators import checkpoint, umx

    source, out = storage.absolute(source), storage.absolute(out)
    (outputs.try_file if out.endswith(SUFFIX) else outputs.try_folder)(out, "OUT")
    if source.endswith(SUFFIX):
        if out.endswith(SUFFIX):
            raise BadInput(f"{out}: a checkpoint becomes a folder of the openunmix package; give a folder")
        loaded = checkpoint.from_bytes(_read(source), source)
        with _naming(source):
            files = {storage.join(out, name): data for name, data in umx.to_umx(loaded).items()}
    else:
        if not out.endswith(SUFFIX):
            raise BadInput(f"{out}: a model folder becomes one checkpoint; give a name that ends in {SUFFIX}")
        found = _read_folder(source)
        with _naming(source):
            files = {out: checkpoint.to_bytes(umx.from_umx(found))}
    if not overwrite and (there := [uri for uri in files if storage.exists(uri)]):
        raise BadInput(f"{there[0]}: exists already; give another place, or --overwrite")
    for uri, data in files.items():
        storage.write_bytes(uri, data)
    return list(files)


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """``raysep.separators`` know no files: what they refuse is told with the place it came from."""
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from error


def _read(uri: str) -> bytes:
    try:
        return storage.read_bytes(uri)
    except FileNotFoundError as error:
        raise BadInput(f"{uri}: no such file; give a checkpoint that `raysep train` wrote") from error


def _read_folder(uri: str) -> dict[str, bytes]:
    """The files that describe a model, by name; a checkpoint of its optimiser (``.chkpnt``) is left where it is."""
    found = [storage.uri_of(uri, info) for info in storage.list_files(uri, recursive=False)]
    if not found:
        raise BadInput(f"{uri}: no such folder; give one with separator.json and a .pth file per target")
    return {posixpath.basename(f): storage.read_bytes(f) for f in found if f.endswith((".pth", ".json"))}
