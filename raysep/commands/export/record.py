"""``export.json``: what fills a folder, from what, and whether all of it is there. Written first, and last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from raysep.commands.export.plan import File
from raysep.corpus import storage
from raysep.errors import RunConflict
from raysep.version import __version__

NAME = "export.json"


def digest(form: str, files: Iterable[File]) -> str:
    """Of what the files follow from: the same for the same stems, used alike, under the same names."""
    lines = [form, *sorted(map(repr, files))]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:16]


def read(to: str) -> dict[str, Any] | None:
    """The record of a folder; None where there is none, or nothing that is one."""
    uri = storage.join(to, NAME)
    if not storage.exists(uri):
        return None
    try:
        record = json.loads(storage.read_bytes(uri))
        return record if {"made_from", "files", "finished"} <= set(record) else None
    except (ValueError, TypeError):
        return None


def write(to: str, source: str, form: str, made_from: str, sizes: dict[str, int | None], finished: bool) -> None:
    record = {
        "raysep": __version__,
        "source": source,
        "form": form,
        "made_from": made_from,
        "finished": finished,
        "files": sizes,
    }
    storage.write_bytes(storage.join(to, NAME), json.dumps(record, indent=1).encode() + b"\n")


def present(to: str) -> dict[str, int]:
    """path below the folder → bytes, of every file that is there; of a link, those of what it leads to."""
    return {storage.uri_of(to, info)[len(to) + 1 :]: info.size for info in storage.list_files(to)}


def check(to: str, made_from: str, there: dict[str, int], overwrite: bool) -> dict[str, Any] | None:
    """The record of this very export, to go on with; None for one that begins. Raises ``RunConflict`` for somebody else's folder."""
    found = read(to)
    if found and found["made_from"] == made_from and not overwrite:
        return found
    if there and not overwrite:
        what = "holds another export" if found else f"is not empty ({sorted(there)[0]}) and holds no {NAME}"
        raise RunConflict(f"--to {to}: {what}; choose another folder, or --overwrite")
    return None
