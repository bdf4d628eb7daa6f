"""What the functions of the face have in common: where things lie, what else is set, and the folder that they return."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from raysep.errors import BadInput, FinishedWithFailures

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.rundir import Run

Place = str | os.PathLike[str]  # a path, s3://…, or a folder that another function of the face returned
Nested = Mapping[str, Any]  # settings by section, as in the YAML that `raysep config` prints


@dataclass(frozen=True)
class Folder:
    """A folder that one of the commands made. It may itself be given where a place is asked for."""

    folder: str  # absolute, or s3://…

    def __fspath__(self) -> str:
        return self.folder

    @property
    def run(self) -> Run:
        from raysep.rundir import Run

        return Run(self.folder)

    def table(self, name: str) -> pa.Table:
        """A Parquet file of the folder. Raises ``BadInput`` when it is not there."""
        return self._holding(name).read_table(name)

    def record(self, name: str) -> dict[str, Any]:
        """A JSON file of the folder. Raises ``BadInput`` when it is not there."""
        record: dict[str, Any] = self._holding(name).read_json(name)
        return record

    def _said(self) -> list[str]:
        """What it found, in a sentence or two; nothing while it is not known."""
        return []

    def _repr_html_(self) -> str:
        from raysep.face.shown import card, holdings

        return card(f"{type(self).__name__}: {self.folder}", self._said(), holdings(self))

    def _holding(self, name: str) -> Run:
        run = self.run
        if not run.has(name):
            raise BadInput(f"{self.folder}: holds no {name}; the same call goes on where an unfinished one ended")
        return run


@overload
def at(place: Place) -> str: ...
@overload
def at(place: None) -> None: ...
@overload
def at(place: Place | None) -> str | None: ...
def at(place: Place | None) -> str | None:
    return None if place is None else os.fspath(place)


def each(places: Place | Sequence[Place]) -> tuple[str, ...]:
    return (at(places),) if isinstance(places, str | os.PathLike) else tuple(at(place) for place in places)


def where(place: Place) -> str:
    """The same place, independent of the working directory."""
    from raysep.corpus import storage

    return storage.absolute(at(place))


def overrides(config: Place | None, settings: Nested | None, **named: Any) -> dict[str, Any]:
    """The settings of a file, ``settings`` over them, and over both those with a name. Raises ``BadInput`` for a file of none."""
    from raysep.commands.app import overrides_of
    from raysep.config import merge

    return merge(merge(overrides_of(at(config), None), dict(settings or {})), overrides_of(None, None, **named))


@contextmanager
def failures_told() -> Iterator[None]:
    """Work that is done but for some stems ends a command with code 3; a notebook wants the rest, and a warning."""
    try:
        yield
    except FinishedWithFailures as error:
        warnings.warn(str(error), stacklevel=4)  # said of the line that called the face
