"""From ``package.module:NAME`` to the object: how what is not yet known, or not ours, is named in text."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from raysep.errors import BadInput


def load(path: str) -> Any:
    """The object that ``package.module:NAME`` leads to; raises whatever its module raises while it is imported."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def imported(path: str, asked: str, otherwise: str) -> Any:
    """The same for a path that a person gave. Importing runs the module, which must be installed or on the path.

    Args:
        asked: what every error begins with: what was asked for, such as ``layout 'mine:Layout':``.
        otherwise: the rest of the error for a text that is no import path: what could have been given.

    Raises ``BadInput`` when it is none, and when it leads nowhere.
    """
    if ":" not in path:
        raise BadInput(f"{asked} {otherwise}")
    try:
        return load(path)
    except Exception as error:  # whatever the module of the user's own raises
        raise BadInput(
            f"{asked} cannot be imported ({type(error).__name__}: {error}); is its module installed on every node, or its "
            "folder on PYTHONPATH?"
        ) from error


def registered(kind: str, name: str, known: Mapping[str, str], own: str) -> Any:
    """The object of a ``name`` in ``known`` (name → import path), or of an import path of the user's own.

    ``kind`` and ``own`` say in an error what it is, and what of one's own could be given. Raises ``BadInput`` as ``imported``.
    """
    otherwise = f"not known; choose one of {', '.join(known)}, or give {own}"
    return imported(known.get(name, name), f"{kind} {name!r}:", otherwise)
