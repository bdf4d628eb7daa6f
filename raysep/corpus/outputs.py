"""Outputs are sacred: a place is tried before any work, and what a command did not make it does not replace.

A folder that a command fills says so in a hidden file, ``MARKER``, before the first track is written: by whom, and of what.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from raysep.corpus import storage
from raysep.errors import BadInput, OutputError, RunConflict, writing

MARKER = ".raysep.json"
TRIAL = ".raysep-trial"
TRIAL_BYTES = 4096  # a block: where that does not fit, nothing does


# A place, before any work -------------------------------------------------------------------------------------------


def try_file(
    out: str,
    option: str = "--out",
    suffixes: Collection[str] = (),
    *,
    overwrite: bool = True,
    ours: Callable[[str], bool] = lambda uri: False,
) -> str:
    """The absolute place of a file that is to be written, once it is sure that it can be.

    ``suffixes``: the endings that it may have. A file that is there is replaced with ``overwrite``, or where ``ours`` says of
    its URI that the command may. Raises ``BadInput``, ``OutputError`` or ``RunConflict``, and changes nothing.
    """
    if suffixes and not out.lower().endswith(tuple(suffixes)):
        raise BadInput(f"{option} {out}: must end in {' or '.join(suffixes)}")
    uri = storage.absolute(out)
    if not storage.is_remote(uri) and Path(uri).is_dir():
        raise BadInput(f"{option} {out}: is a folder; give a file")
    if not overwrite and storage.exists(uri) and not ours(uri):
        raise RunConflict(f"{option} {out}: exists already, and may be what you wrote; choose another, or --overwrite")
    _try_folder(uri.rpartition("/")[0], f"{option} {out}")
    return uri


def try_folder(out: str, option: str = "--out", needs_bytes: int = 0) -> str:
    """The same for a folder: it, or what it will be made in, can be written to, and has room where that is known.

    ``needs_bytes`` is what will be written, as far as that can be told; object stores have room.
    """
    uri = storage.absolute(out)
    if not storage.is_remote(uri):
        if Path(uri).is_file():
            raise BadInput(f"{option} {out}: is a file; give a folder")
        _check_room(uri, f"{option} {out}", needs_bytes)
    _try_folder(uri, f"{option} {out}")
    return uri


def _try_folder(uri: str, told: str) -> None:
    if not storage.is_remote(uri):
        with writing(told), tempfile.TemporaryFile(dir=_nearest(uri)) as file:
            file.write(bytes(TRIAL_BYTES))
            file.flush()  # a full disk still takes a file without content
            return
    trial = storage.join(uri, TRIAL)
    try:
        storage.write_bytes(trial, b"")
    except OutputError as error:
        raise OutputError(str(error).replace(trial, told, 1)) from error
    with suppress(OSError):  # who may write may not always delete
        storage.delete(trial)


def _nearest(uri: str) -> str:
    """The folder itself, or the nearest one above it that is there. Raises ``NotADirectoryError``."""
    place = Path(uri)
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(0, f"{place} is a file")
    return str(place)


def _check_room(uri: str, told: str, needs_bytes: int) -> None:
    if not needs_bytes:
        return
    with writing(told):
        free = shutil.disk_usage(_nearest(uri)).free
    if free < needs_bytes:
        raise OutputError(
            f"{told}: has room for {_gib(free)} and about {_gib(needs_bytes)} will be written; make room there, or choose "
            "another place"
        )


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**27 else f"{size / 2**20:.3g} MiB"


# Who made what is there ---------------------------------------------------------------------------------------------


def claim(out: str, maker: str, made_from: Mapping[str, Any], targets: Collection[str], *, overwrite: bool) -> None:
    """Leave word in the folder ``out`` that ``maker`` fills it, from what; before the first of ``targets`` is written.

    ``targets`` are paths below the folder. Raises ``RunConflict`` when one of them is there and was not made by ``maker`` from
    just this, unless ``overwrite``.
    """
    known, about = _makers(out), dict(made_from)
    if not overwrite and known.get(maker) != about and (there := _present(out, targets)):
        by = f"made from {_other(known[maker], about)}" if maker in known else f"not made by {maker}"
        raise RunConflict(f"{out}: holds {there[0]}{_more(there)}, {by}; choose another folder, or --overwrite")
    record = json.dumps({"made": known | {maker: about}}, indent=2)
    storage.write_bytes(storage.join(out, MARKER), record.encode() + b"\n")


def _makers(out: str) -> dict[str, Any]:
    uri = storage.join(out, MARKER)
    if not storage.exists(uri):
        return {}
    try:
        return dict(json.loads(storage.read_bytes(uri))["made"])
    except (ValueError, KeyError, TypeError):
        return {}  # not ours: then nothing here is


def _present(out: str, targets: Collection[str]) -> list[str]:
    wanted, below = set(targets), len(out) + 1
    return [path for info in storage.list_files(out) if (path := storage.uri_of(out, info)[below:]) in wanted]


def _other(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What is not the same, in words."""
    return ", ".join(f"{name} {there.get(name)} and not {here[name]}" for name in here if there.get(name) != here[name])


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def below(uri: str, folder: str) -> bool:
    """Whether a place is the folder itself or lies in it; both absolute."""
    return uri == folder or uri.startswith(folder.rstrip(os.sep) + "/")
