"""Write a cleaned corpus out: `raysep export` in a notebook."""

from __future__ import annotations

from dataclasses import dataclass

from raysep.face.results import Folder, Place, at, failures_told, where


@dataclass(frozen=True)
class Exported(Folder):
    """What ``export`` wrote: a folder, or one file."""


def export(
    source: Place,
    to: Place,
    form: str,
    *,
    decision: Place | None = None,
    handling: str | None = None,
    missing: str = "leave-out",
    overwrite: bool = False,
    quiet: bool = False,
) -> Exported:
    """Write the stems that a run or a manifest uses to ``to``, as lists or as audio; the source is never written.

    ``form`` is manifest, list, csv, msst, musdb, moisesdb, slakh, links or copies. The same call goes on with a killed one. Stems that could not be
    read are told in a warning. Raises ``BadInput`` before anything is written, ``RunConflict`` when ``to`` is somebody else's,
    ``OutputError`` when it cannot be written. ``raysep export --help`` tells what each argument means.
    """
    from raysep.commands.export import export as command

    request = command.Request(
        source=at(source),
        to=at(to),
        form=form,
        decision=at(decision),
        handling=handling,
        missing=missing,
        overwrite=overwrite,
        quiet=quiet,
    )
    with failures_told():
        command.export(request)
    return Exported(where(to))
