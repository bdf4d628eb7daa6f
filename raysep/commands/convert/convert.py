"""Bring models of others in and out: the files around ``raysep.separators.umx`` and ``raysep.separators.msst``."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager

from raysep.corpus import outputs, storage
from raysep.errors import BadInput

SUFFIX = ".safetensors"
ENDINGS = (".pth", ".json", ".ckpt", ".yaml", ".yml")


def convert(source: str, out: str, overwrite: bool = False) -> list[str]:
    """A model folder of openunmix or MSST to a raysep checkpoint, or a checkpoint to such a folder; the URIs written.

    The direction follows from what ``source`` is, whose folder it is from the files in it, or the network. Raises ``BadInput`` when it is neither, or when ``out`` would lose
    something that is there.
    """
    from raysep.separators import checkpoint, msst, umx

    source, out = storage.absolute(source), storage.absolute(out)
    (outputs.try_file if out.endswith(SUFFIX) else outputs.try_folder)(out, "OUT")
    if source.endswith(SUFFIX):
        if out.endswith(SUFFIX):
            raise BadInput(f"{out}: a checkpoint becomes a folder, of the openunmix package or for MSST; give a folder")
        loaded = checkpoint.from_bytes(_read(source), source)
        with _naming(source):
            write = msst.to_msst if loaded.model in msst.FORMS else umx.to_umx
            files = {storage.join(out, name): data for name, data in write(loaded).items()}
    else:
        if not out.endswith(SUFFIX):
            raise BadInput(f"{out}: a model folder becomes one checkpoint; give a name that ends in {SUFFIX}")
        found = _read_folder(source)
        with _naming(source):
            read = msst.from_msst if msst.is_msst(found) else umx.from_umx
            files = {out: checkpoint.to_bytes(read(found))}
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
    found = []
    if storage.kind(uri) != "file":
        found = [storage.uri_of(uri, info) for info in storage.list_files(uri, recursive=False)]
    if not found:
        raise BadInput(
            f"{uri}: no such folder; give one with separator.json and a .pth file per target, or a YAML and a .ckpt"
        )
    return {posixpath.basename(f): storage.read_bytes(f) for f in found if f.endswith(ENDINGS)}
