"""docs/api.md: what ``import raysep`` offers, from its signatures and docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import FunctionType

import raysep

HEAD = """\
# Which functions and results are there?

Made from the signatures and docstrings of `import raysep` by `make docs`. How they go together: [from Python](notebook.md), and
the [tutorial](tutorial.ipynb). What each argument means is what the option of its name means: [commands](commands.md).
"""


def page() -> str:
    offered = {name: getattr(raysep, name) for name in raysep.__all__ if not name.startswith("__")}
    functions = [_function(name, value) for name, value in offered.items() if isinstance(value, FunctionType)]
    results = [_class(name, value) for name, value in offered.items() if inspect.isclass(value)]
    return "\n\n".join((HEAD.rstrip(), "## Functions", *functions, "## Results", *results)) + "\n"


def _function(name: str, function: FunctionType) -> str:
    return "\n\n".join((f"### raysep.{name}", f"```python\n{_signature(name, function)}\n```", _text(function)))


def _signature(name: str, function: FunctionType) -> str:
    """The call as it is written in its file, an argument a line; a body so that it is Python."""
    told = inspect.signature(function)
    kinds = [parameter.kind for parameter in told.parameters.values()]
    lines, starred = [], False
    for parameter, kind in zip(told.parameters.values(), kinds, strict=True):
        if kind is parameter.KEYWORD_ONLY and not starred:
            lines.append("    *,")
            starred = True
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
        lines.append(f"    {parameter.name}: {parameter.annotation}{default},")
    return "\n".join((f"def {name}(", *lines, f") -> {told.return_annotation}: ..."))


def _default(value: object) -> str:
    if callable(value):
        return "..."
    return repr(value).replace("'", '"')  # as the formatter has it


def _class(name: str, kind: type) -> str:
    rows = [
        f"| `.{member}{'' if isinstance(value, property) else '(…)'}` | {_text(value)} |"
        for member, value in _members(kind)
    ]
    table = ["\n".join(("| | |", "|---|---|", *rows))] if rows else []
    return "\n\n".join((f"### raysep.{name}", _text(kind), *table))


def _members(kind: type) -> Iterator[tuple[str, object]]:
    """The properties and methods that it offers, its own before those that it has from others."""
    seen: set[str] = set()
    for owner in kind.__mro__:
        if owner.__module__.startswith("raysep."):
            for member, value in vars(owner).items():
                documented = isinstance(value, property | FunctionType) and inspect.getdoc(value)
                if documented and not member.startswith("_") and member not in seen:
                    seen.add(member)
                    yield member, value


def _text(value: object) -> str:
    return " ".join((inspect.getdoc(value) or "").replace("``", "`").split()).replace("|", "\\|")
