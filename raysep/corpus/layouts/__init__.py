"""The one door from a place to its stems: ``stems_of``, by the layout that matches.

A layout is one of ``LAYOUTS``, or the import path ``package.module:Class`` of a ``Layout`` of the user's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.layout import LABELS, Layout, Place, Scan
from raysep.corpus.layouts.problems import Problem, describe
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput
from raysep.imports import registered

__all__ = ["LABELS", "LAYOUTS", "File", "Layout", "Place", "Problem", "Scan", "describe", "find_layout", "stems_of"]

LAYOUTS: dict[str, str] = {  # in the order they are tried; as text: a layout's module is imported when it is used
    "manifest": "raysep.corpus.layouts.manifest_file:ManifestFile",
    "songs": "raysep.corpus.layouts.songs:Songs",
    "musdb": "raysep.corpus.layouts.musdb:Musdb",
}


def stems_of(
    place: str,
    labels: Sequence[str] | None = None,
    *,
    usual: Sequence[str] = LABELS,
    split: str = "train",
    on_problem: str = "raise",
    layout: str | None = None,
    songs: bool = False,
    threads: int = 16,
    known: Sequence[Stem] = (),
) -> Scan:
    """Every stem of a place, local or ``s3://``: folders of tracks, a manifest, or what an own layout reads.

    ``labels``: only these; None: those that the place itself names (a manifest does), else the ``usual`` ones.
    ``split`` is the folder that is read where there are split folders, and the name recorded for stems found in folders.
    ``on_problem``: ``"raise"`` raises ``BadInput`` for any problem (listing up to ten of them), ``"keep"`` does so
    too except for files that cannot be read as audio, which stay as rows, ``"collect"`` returns all problems.
    ``layout`` is tried first, by name or import path; ``songs``: a folder of songs without stems will do, too.
    ``known`` are rows of an earlier scan: what a store says has not changed since is not read again.
    A folder that does not exist or holds no track always raises.
    """
    if on_problem not in ("raise", "keep", "collect"):
        raise ValueError(f"on_problem={on_problem!r}: raise, keep or collect")
    asked = None if labels is None else tuple(labels)
    where = Place(place, asked, tuple(usual), split, on_problem == "raise", threads, tuple(known))
    names = [name for name in LAYOUTS if songs or name != "songs"]
    tried = (find_layout(name) for name in ([layout] if layout else []) + names)
    found = next(one for one in tried if one.matches(where)).scan(where)  # the last one matches everything
    fatal = [p for p in found.problems if on_problem == "raise" or (on_problem == "keep" and not p.unreadable)]
    if fatal:
        raise BadInput(describe(place, fatal))
    if not (found.stems or found.problems or where.is_manifest):
        raise BadInput(f"{place}: the layout {layout} finds no stems in it")
    return found


def find_layout(name: str) -> Layout:
    """The layout of a name or an import path.

    Raises ``BadInput`` for a name that is not known and for a path that does not lead to a ``Layout``.
    """
    found = registered("layout", name, LAYOUTS, "a class of your own as package.module:Class")
    if not (isinstance(found, type) and issubclass(found, Layout)):
        raise BadInput(f"layout {name!r}: not a subclass of raysep.corpus.layouts.Layout")
    return found()
