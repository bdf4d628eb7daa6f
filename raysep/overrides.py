"""From YAML and ``--set`` to settings: text in, nested dicts of what is changed, the dataclass that they make."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterator
from typing import Any, TypeVar

from raysep.errors import BadInput
from raysep.ranges import fields_of

Made = TypeVar("Made")


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``changes`` over ``base``, section by section."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def read_yaml(text: str, name: str) -> dict[str, Any]:
    """The overrides in a YAML file's text. Raises ``BadInput`` naming the file."""
    import yaml

    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise BadInput(f"{name}: not YAML ({why}); see `raysep config` for the settings and their form") from error
    if not isinstance(values, dict):
        raise BadInput(f"{name}: expected settings by name, found {type(values).__name__}; see `raysep config`")
    return values


def parse_assignment(text: str) -> dict[str, Any]:
    """``training.steps=800`` as nested overrides; the value is read as YAML."""
    import yaml

    path, equals, given = text.partition("=")
    if not equals or not path:
        raise BadInput(f"--set {text}: write it as section.name=value, for example training.steps=800")
    try:
        value = yaml.safe_load(given)
    except yaml.YAMLError:
        raise BadInput(f"--set {text}: {given!r} is not a value in YAML; quote it, or close its brackets") from None
    *sections, name = path.strip().split(".")
    nested = {name: value}
    for section in reversed(sections):
        nested = {section: nested}
    return nested


def build(cls: type[Made], values: dict[str, Any]) -> Made:
    """The dataclass of settings that nested ``values`` make over its defaults.

    Raises ``BadInput`` naming a setting that does not exist, with those that may have been meant, or whose value is of
    another type.
    """
    made: Made = _section(cls, values, "", cls)
    return made


def _section(cls: type, values: dict[str, Any], path: str, whole: type) -> Any:
    kinds = {field.name: field.kind for field in fields_of(cls)}
    arguments = {}
    for key, value in values.items():
        if key not in kinds:
            raise BadInput(f"{path}{key}: {unknown(str(key), path, list(kinds), whole)}")
        arguments[key] = _convert(kinds[key], value, f"{path}{key}", whole)
    return cls(**arguments)


def unknown(key: str, path: str, known: list[str], whole: type) -> str:
    """What there is to say of a setting that is not among the ``known`` of its section.

    Meant is a name like it in the section, else the same name in another one.
    """
    meant = [path + name for name in difflib.get_close_matches(key, known, n=1)]
    meant = meant or [name for name in names_of(whole) if name.rpartition(".")[2] == key]
    ask = f"did you mean {' or '.join(meant)}? " if meant else ""
    return f"there is no such setting; {ask}known here: {', '.join(sorted(known))}"


def names_of(cls: type, path: str = "") -> Iterator[str]:
    """Every setting by its full name, ``training.steps``."""
    for field in fields_of(cls):
        if dataclasses.is_dataclass(field.kind):
            yield from names_of(typing.cast(type, field.kind), f"{path}{field.name}.")
        else:
            yield path + field.name


def _convert(kind: Any, value: Any, name: str, whole: type) -> Any:
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise BadInput(f"{name}: {value!r} is not a section; write its settings by name below it")
        return _section(typing.cast(type, kind), value, f"{name}.", whole)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict:
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
        raise BadInput(f"{name}: {value!r} is not a section; write its settings by name below it")
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_convert(arguments[0], item, name, whole) for item in items)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _convert(arguments[0], value, name, whole)
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise BadInput(f"{name}: {value!r} is not {kind.__name__}; see `raysep config` for the default")
