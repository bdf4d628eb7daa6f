"""What a setting may be and what it means, in its type: ``Annotated[int, Range.least(1), About("steps of a training")]``.

A dataclass whose fields are annotated so is checked by ``refusals`` and described by ``fields_of``.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from raysep.imports import load

NOT_HASHED = {"hashed": False}  # metadata of a field that changes no result


@dataclass(frozen=True)
class About:
    """What a setting means, with its unit: one line."""

    words: str


@dataclass(frozen=True)
class Range:
    """The values that a setting may have; ``words`` say them so that they can follow "must be".

    A setting that may be null is in its range when it is: the type says that it may.
    """

    words: str
    holds: Callable[[Any], bool]
    names: tuple[str, ...] = ()  # of a choice

    @classmethod
    def least(cls, low: float, *, most: float | None = None, below: float | None = None, words: str = "") -> Range:
        """From ``low`` on, up to ``most`` or below ``below``. Not a number is in no such range."""
        if most is not None:
            said = f"from {low} to {most}"
        else:
            said = f"{low} or more" if below is None else f"from {low} to below {below}"
        return cls(words or said, lambda value: low <= value and _ends(value, most, below))

    @classmethod
    def above(cls, low: float, *, most: float | None = None, below: float | None = None, words: str = "") -> Range:
        """More than ``low``, up to ``most`` or below ``below``."""
        if most is not None:
            said = f"above {low}, at most {most}"
        else:
            said = f"above {low}" if below is None else f"above {low}, below {below}"
        return cls(words or said, lambda value: low < value and _ends(value, most, below))

    @classmethod
    def between(cls, low: float, high: float) -> Range:
        """Without the ends."""
        return cls.above(low, below=high, words=f"between {low} and {high}")

    @classmethod
    def choice(cls, *names: str, words: str = "") -> Range:
        """One of some names."""
        few = f"{', '.join(names[:-1])} or {names[-1]}"
        return cls(words or (few if len(names) <= 3 else f"one of {', '.join(names)}"), names.__contains__, names)

    @classmethod
    def choices(cls, *names: str) -> Range:
        """Some of some names, in a tuple."""
        words = f"from {', '.join(names)}, each at most once"
        return cls(words, lambda chosen: len({*chosen} & {*names}) == len(chosen), names)

    @classmethod
    def each(cls, one: Range) -> Range:
        """A tuple of such values."""
        return cls(one.words, lambda values: all(one.holds(value) for value in values))


def _ends(value: float, most: float | None, below: float | None) -> bool:
    return (most is None or value <= most) and (below is None or value < below)


@dataclass(frozen=True)
class Elsewhere:
    """The range of a setting that is checked where it is used: only what can be said of it stands here.

    ``names`` is a ``package.module:NAME`` that lists some of its values; it is imported when the words are asked for.
    """

    rest: str
    names: str = ""

    @property
    def words(self) -> str:
        if not self.names:
            return self.rest
        return f"{', '.join(load(self.names))}, {self.rest}"


@dataclass(frozen=True)
class AsIn:
    """The range of the field of the same name in another class, which checks it."""

    other: type


@dataclass(frozen=True)
class Rule:
    """What a setting must be beside others of its section; ``holds`` is asked with the whole section.

    ``words`` say it for every section; ``exactly``, where given, for the one at hand.
    """

    words: str
    holds: Callable[[Any], bool]
    exactly: Callable[[Any], str] | None = None


@dataclass(frozen=True)
class Field:
    """A field of an annotated dataclass. ``kind`` is its type without what was annotated."""

    name: str
    kind: Any
    notes: tuple[Any, ...]

    @property
    def about(self) -> str:
        return next((note.words for note in self.notes if isinstance(note, About)), "")

    @property
    def allowed(self) -> str:
        """All that is said of its range, in words."""
        parts = []
        for note in self.notes:
            if isinstance(note, Range | Rule | Elsewhere):
                parts.append(note.words)
            elif isinstance(note, AsIn):
                parts += [field.allowed for field in fields_of(note.other) if field.name == self.name]
        return "; ".join(parts)


@functools.cache
def fields_of(cls: type) -> tuple[Field, ...]:
    """The fields of a dataclass in order, with what their types say."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(_field(field.name, hints[field.name]) for field in dataclasses.fields(cls))


def _field(name: str, hint: Any) -> Field:
    if typing.get_origin(hint) is not typing.Annotated:
        return Field(name, hint, ())
    return Field(name, typing.get_args(hint)[0], hint.__metadata__)


class Refusal(NamedTuple):
    """A value that is out of its range: what it must be in words, and the names to choose from when it is a choice."""

    name: str
    value: Any
    words: str
    names: tuple[str, ...] = ()


def refusals(section: Any) -> Iterator[Refusal]:
    """Every value of a dataclass that its type refuses, in order; those of a section within as ``section.name``."""
    for field in fields_of(section.__class__):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from (inner._replace(name=f"{field.name}.{inner.name}") for inner in refusals(value))
        for note in field.notes:
            if isinstance(note, Range) and value is not None and not note.holds(value):
                yield Refusal(field.name, value, note.words, note.names)
            if isinstance(note, Rule) and not note.holds(section):
                yield Refusal(field.name, value, note.exactly(section) if note.exactly else note.words)
